import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig, type Plugin } from 'vite'

const COMPRESSIBLE = /\.(js|css|html|svg|webmanifest|txt)$/

/** Puts a .br and a .gz beside every text file of the bundle, so that the node never compresses while it serves. */
function precompress(): Plugin {
  let dir = ''
  return {
    name: 'pc2-precompress',
    apply: 'build',
    configResolved(config) {
      dir = config.build.outDir
    },
    // Runs only after a bundle was written: a failed build keeps its own error.
    writeBundle() {
      for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !COMPRESSIBLE.test(entry.name)) continue
        const path = join(entry.parentPath, entry.name)
        const plain = readFileSync(path)
        writeFileSync(`${path}.br`, brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }))
        writeFileSync(`${path}.gz`, gzipSync(plain, { level: 9 }))
      }
    },
  }
}

const PACKAGE = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//
const LICENCE = /^licen[cs]e(\.(md|txt))?$/i

/** Writes licences.txt: what others wrote of the page that was bundled, and under which licence. A package without the text of one fails the build. */
function licences(): Plugin {
  return {
    name: 'pc2-licences',
    apply: 'build',
    writeBundle({ dir = '' }, bundle) {
      const modules = Object.values(bundle).flatMap((file) => (file.type === 'chunk' ? Object.keys(file.modules) : []))
      const packages = new Set(modules.flatMap((id) => PACKAGE.exec(id)?.[1] ?? []))
      const texts = [...packages].sort().map((path) => {
        const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Record<string, string>
        const text = readdirSync(path).find((file) => LICENCE.test(file))
        if (text === undefined) this.error(`${name} comes without the text of its licence`)
        return `${name} ${version} (${license})\n\n${readFileSync(join(path, text ?? ''), 'utf8').trim()}\n`
      })
      writeFileSync(join(dir, 'licences.txt'), texts.join(`\n${'-'.repeat(80)}\n\n`))
    },
  }
}

/** What the page names itself: without it nothing is seen. */
const named = (html: string): string[] =>
  [...html.matchAll(/ (?:src|href)="\/([\w./-]+\.(?:js|css))"/g)].map(([, name = '']) => name)

/** Writes the service worker: `src/sw.js`, with the files of this build. */
function serviceWorker(): Plugin {
  let root = ''
  return {
    name: 'pc2-service-worker',
    apply: 'build',
    configResolved(config) {
      root = config.root
    },
    writeBundle({ dir = '' }) {
      const html = readFileSync(join(dir, 'index.html'), 'utf8')
      const files = ['/', ...named(html).map((name) => `/${name}`)]
      const hash = createHash('sha256').update(html)
      // Those without a hash in their names.
      for (const name of named(html).filter((name) => !name.startsWith('assets/'))) hash.update(readFileSync(join(dir, name)))
      const given = `const VERSION = '${hash.digest('hex').slice(0, 16)}'\nconst FILES = ${JSON.stringify(files)}\n`
      writeFileSync(join(dir, 'sw.js'), given + readFileSync(join(root, 'src/sw.js'), 'utf8'))
    },
  }
}

/** A phone on a bad line waits for all of it. Source: docs/benchmarks.md. */
const FIRST_LOAD_BYTES = 40 * 1024
/** The same, with what comes while the node is asked who is there: the desktop and the list of chats. */
const CHATS_SEEN_BYTES = 52 * 1024
const SEEN = /screens\/(Desktop|Chat)\.svelte$/

/** Refuses a bundle of which too much is loaded before anything is seen: what the page names itself, and what leads to the chats, compressed. */
function firstLoad(): Plugin {
  return {
    name: 'pc2-first-load',
    apply: 'build',
    writeBundle({ dir = '' }, bundle) {
      const files = new Set<string>(['index.html', ...named(readFileSync(join(dir, 'index.html'), 'utf8'))])
      const walked = new Set<string>()
      const add = (name: string) => {
        const chunk = bundle[name]
        if (chunk?.type !== 'chunk' || walked.has(name)) return
        walked.add(name)
        for (const file of [name, ...(chunk.viteMetadata?.importedCss ?? [])]) files.add(file)
        chunk.imports.forEach(add)
      }
      const weigh = (what: string, allowed: number) => {
        const bytes = [...files].map((name) => readFileSync(join(dir, `${name}.br`)).length).reduce((sum, length) => sum + length)
        if (bytes > allowed) this.error(`${what} has ${bytes} bytes, ${allowed} are allowed: load a screen, or its words, later`)
        this.info(`${what}: ${bytes} bytes`)
      }
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk')
      for (const { isEntry, fileName } of chunks) if (isEntry) add(fileName)
      weigh('the first load', FIRST_LOAD_BYTES)
      for (const { facadeModuleId, fileName } of chunks) if (SEEN.test(facadeModuleId ?? '')) add(fileName)
      weigh('what is loaded until chats are seen', CHATS_SEEN_BYTES)
    },
  }
}

export default defineConfig({
  plugins: [svelte(), serviceWorker(), licences(), precompress(), firstLoad()],
  build: {
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // Everything is a file of its own: the page's policy allows neither inline scripts nor data: fonts.
    assetsInlineLimit: 0,
  },
  // `npm run dev` beside a running node: PC2_NODE names it. The node must list localhost:5173 among its names.
  server: {
    proxy: Object.fromEntries(
      ['/api', '/auth', '/whoami', '/health', '/ws'].map((path) => [
        path,
        { target: process.env.PC2_NODE ?? 'http://127.0.0.1:4200', ws: path === '/ws' },
      ]),
    ),
  },
})
