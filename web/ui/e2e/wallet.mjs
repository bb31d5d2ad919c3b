/** A wallet for a browser of the test. Its key and its signing (viem) stay here, outside the page, and have nothing of PC2 in them. */
import { privateKeyToAccount } from 'viem/accounts'

/** Gives every page of a person a wallet that announces itself (EIP-6963). `wallet.refuses` makes it say no, as people do. */
export async function giveWallet({ context }, privateKey, name = 'Testwallet') {
  const account = privateKeyToAccount(privateKey)
  const wallet = { address: account.address, refuses: false, signed: [] }
  await context.exposeBinding('walletOfTheTest', async (_page, method, params) => {
    if (method === 'eth_chainId') return { is: '0x1' }
    if (method === 'eth_requestAccounts') return { is: [account.address.toLowerCase()] }
    if (method !== 'personal_sign') return { code: 4200 }
    if (wallet.refuses) return { code: 4001 }
    wallet.signed.push(Buffer.from(params[0].slice(2), 'hex').toString())
    return { is: await account.signMessage({ message: { raw: params[0] } }) }
  })
  await context.addInitScript((name) => {
    const provider = {
      async request({ method, params }) {
        const answer = await globalThis.walletOfTheTest(method, params ?? [])
        if (answer.code) throw Object.assign(new Error('no'), { code: answer.code })
        return answer.is
      },
    }
    const detail = Object.freeze({ info: { uuid: crypto.randomUUID(), name, icon: 'data:,', rdns: 'test.wallet' }, provider })
    const announce = () => dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }))
    addEventListener('eip6963:requestProvider', announce)
    announce()
  }, name)
  return wallet
}
