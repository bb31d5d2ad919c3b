/** Bytes as people read them. */
const short = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 })

export function size(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let value = count
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${short.format(value)} ${units[unit]}`
}
