/** Whether the node has a newer page than this one: looked at once, and again each time the node was away. */
class Newer {
  found = $state(false)
  #tag: string | null = null

  async look(): Promise<void> {
    try {
      const tag = (await fetch('/', { method: 'HEAD', cache: 'no-store' })).headers.get('etag')
      this.found ||= this.#tag !== null && tag !== null && tag !== this.#tag
      this.#tag ??= tag
    } catch {
      // It is looked at again when the node is back.
    }
  }
}

export const newer = new Newer()
