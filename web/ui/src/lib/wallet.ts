/**
 * Wallets in this browser: found by EIP-6963, asked to sign the text that the node made. The page never makes or reads that text.
 */
import { call } from './api'
import type { SignInText } from './api-types'
import { words } from './wallet-words'

export interface Wallet {
  info: { uuid: string; name: string }
  provider: { request(asked: { method: string; params?: unknown[] }): Promise<unknown> }
}

/** Tells each wallet that there is, also those that come later. Returns how to stop. */
export function discover(found: (wallet: Wallet) => void): () => void {
  const seen = new Set<string>()
  const announced = (event: Event) => {
    const wallet = (event as CustomEvent<Wallet>).detail
    const { info, provider } = wallet ?? {}
    if (typeof info?.uuid !== 'string' || typeof info.name !== 'string' || seen.has(info.uuid)) return
    if (typeof provider?.request !== 'function') return
    seen.add(info.uuid)
    found(wallet)
  }
  addEventListener('eip6963:announceProvider', announced)
  dispatchEvent(new Event('eip6963:requestProvider'))
  return () => removeEventListener('eip6963:announceProvider', announced)
}

/** Signs in with a wallet. Throws an `Error` in words for people. */
export async function signInWith({ provider }: Wallet): Promise<void> {
  const ask = async (method: string, params: unknown[] = []) => {
    try {
      return await provider.request({ method, params })
    } catch (error) {
      throw new Error(refusal(error))
    }
  }
  const accounts = await ask('eth_requestAccounts')
  const account: unknown = Array.isArray(accounts) ? accounts[0] : undefined
  if (typeof account !== 'string') throw new Error(words.noAccount)
  const told = Number(await ask('eth_chainId'))
  // Keys sign the same on every chain; some wallets are on none.
  const chain = Number.isSafeInteger(told) && told > 0 ? told : 1
  const scheme = location.protocol.slice(0, -1)
  const query = new URLSearchParams({ address: account, chain: String(chain), scheme })
  const { nonce, text } = await call<SignInText>('GET', `/auth/nonce?${query}`)
  const signature = await ask('personal_sign', [hex(text), account])
  await call<void>('POST', '/auth/wallet', { nonce, signature })
}

/** EIP-1193: 4001 is the person's no; -32002 is a question that is open already. */
export function refusal(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  if (code === 4001) return words.refused
  if (code === -32002) return words.open
  return words.failed
}

export function hex(text: string): string {
  const bytes = [...new TextEncoder().encode(text)]
  return `0x${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('')}`
}

/** 0x1a64…14F1 */
export const short = (address: string) => `${address.slice(0, 6)}…${address.slice(-4)}`
