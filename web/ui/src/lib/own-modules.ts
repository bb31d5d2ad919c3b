/** WebAssembly that the page brings along for its own apps, to be run on the node: what of it was there when the page was built (web/build.rs, docs/wasm.md). */
const urls = import.meta.glob<string>('../modules/*/*.wasm', { query: '?url', import: 'default', eager: true })

/** Where a module is; undefined when this page has none of that name. */
export const ownModule = (name: string): string | undefined => urls[`../modules/${name}/${name}.wasm`]
