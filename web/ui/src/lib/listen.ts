/** Where a node listens for others, as one port: most people have all kinds of addresses on the same. */

const kinds = ['/ip4/0.0.0.0/tcp/P', '/ip4/0.0.0.0/udp/P/quic-v1', '/ip6/::/tcp/P', '/ip6/::/udp/P/quic-v1']

export const listenOn = (port: number): string[] => kinds.map((kind) => kind.replace('P', String(port)))

/** The port, when these are all kinds of addresses on one; else null. */
export function onePort(listen: readonly string[]): number | null {
  const port = Number(/\/(?:tcp|udp)\/(\d+)/.exec(listen[0] ?? '')?.[1] ?? NaN)
  const wanted = Number.isInteger(port) ? listenOn(port) : []
  return wanted.length > 0 && wanted.length === listen.length && wanted.every((address) => listen.includes(address)) ? port : null
}

/** What a person typed as a port; null when it is none. */
export function portOf(text: string): number | null {
  const typed = text.trim()
  const port = /^\d{1,5}$/.test(typed) ? Number(typed) : 0
  return port >= 1 && port <= 65_535 ? port : null
}

/** The lines of a field, without what people leave around them. */
export const linesOf = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter((line) => line !== '')
