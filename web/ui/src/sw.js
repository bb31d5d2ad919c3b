/*
 * The service worker: when the node does not answer, the page still opens, and says so; and it shows notices on the desktop. Only there where the browser allows it (HTTPS, or this machine).
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

/*
 * Notices on the desktop. Every open tab tells of the same ones, so each is shown once: its tag takes the place of the one before, and what says the same
 * again is left alone. Nothing is shown while one of our tabs is looked at. Who may tell is decided by the browser: pages of this origin only.
 */
addEventListener('message', (event) => {
  const { alert, silence } = event.data ?? {}
  if (alert) event.waitUntil(show(alert))
  else if (silence !== undefined) event.waitUntil(hush(silence))
})

async function show({ tag, title, body, href }) {
  const tabs = await clients.matchAll({ type: 'window' })
  if (tabs.some(({ focused }) => focused)) return
  const before = await registration.getNotifications({ tag })
  if (before.some((one) => one.title === title && one.body === body)) return
  await registration.showNotification(title, { tag, body, icon: '/icons/192.png', renotify: true, data: href })
}

async function hush(tag) {
  for (const one of await registration.getNotifications(tag === null ? {} : { tag })) one.close()
}

addEventListener('notificationclick', (event) => {
  const { notification } = event
  notification.close()
  const come = async () => {
    const [tab] = await clients.matchAll({ type: 'window' })
    if (!tab) return clients.openWindow(`/${notification.data}`)
    tab.postMessage({ go: notification.data })
    await tab.focus()
  }
  event.waitUntil(come())
})
