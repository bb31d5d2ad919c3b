/** Names for messages, chosen here so that sending the same one twice is harmless. */

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** Base58 (Bitcoin alphabet), as the node writes ids. */
export function base58(bytes: Uint8Array): string {
  let number = 0n
  for (const byte of bytes) number = number * 256n + BigInt(byte)
  let text = ''
  for (; number > 0n; number /= 58n) text = ALPHABET[Number(number % 58n)] + text
  const zeros = bytes.findIndex((byte) => byte !== 0)
  return '1'.repeat(zeros === -1 ? bytes.length : zeros) + text
}

/** A new message's name. Not `crypto.randomUUID`: it is missing on plain http beyond localhost. */
export const newMessageId = (): string => base58(crypto.getRandomValues(new Uint8Array(16)))
