/*
 * The service worker: when the node does not answer, the page still opens, and says so. Only there where the browser allows it (HTTPS, or this machine).
 *
 * It keeps what the page itself names: index.html, and the scripts and styles of its beginning. A page is always asked of the node first, so a new version of
 * the node is a new page at once. Everything else (the API, events, files) passes by: nothing of anybody is ever kept here.
 *
 * `vite.config.ts` puts VERSION and FILES before this after a build; another version is another worker, which throws away what the one before had kept.
 */
const NAME = `pc2-page-${VERSION}`
const kept = new Set(FILES)

addEventListener('install', (event) => {
  skipWaiting()
  // Past the browser's cache: index.html could be an older one there.
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(FILES.map((path) => new Request(path, { cache: 'no-cache' })))))
})

addEventListener('activate', (event) => {
  const tidy = async () => {
    for (const name of await caches.keys()) if (name !== NAME) await caches.delete(name)
    await clients.claim()
  }
  event.waitUntil(tidy())
})

addEventListener('fetch', (event) => {
  const { request } = event
  const { origin, pathname } = new URL(request.url)
  if (request.method !== 'GET' || origin !== location.origin || !kept.has(pathname)) return
  if (request.mode === 'navigate') {
    event.respondWith(fetch(request).catch(() => caches.match('/', { cacheName: NAME })))
  } else if (pathname !== '/') {
    // Named after what is in them, or asked again where not: those of this version are right for this page.
    event.respondWith(caches.match(request, { cacheName: NAME, ignoreVary: true }).then((found) => found ?? fetch(request)))
  }
})
