// placeholder until generated
export type Standing = 'requested' | 'asking' | 'accepted' | 'blocked'
export type Delivery = 'idle' | 'sending' | 'looking' | 'not_found' | 'unreachable' | 'undecided'
export type MessageState = 'waiting' | 'delivered' | 'read' | 'not_delivered' | 'received'
export interface LastEntry { id: string; mine: boolean; preview: string; at: number }
export interface Contact {
  did: string; standing: Standing; alias: string | null; name: string | null; label: string; online: boolean
  unread: number; waiting: number; delivery: Delivery; last: LastEntry | null; since: number
}
export interface ContactList { items: Contact[] }
export interface Message {
  id: string; conversation: string; sender: string; mine: boolean; text: string; reply_to: string | null
  state: MessageState; at: number; stored: number; order: string; chain_broken: boolean
}
export interface MessagePage { items: Message[]; before: string | null }
export interface Identity { did: string; node_id: string; peer_id: string; name: string; version: string; sealed_identity: boolean }
export interface Invitation { link: string; expires: number }
export interface Problem { code: string; message: string }
export interface SendMessage { client_id: string; text: string; reply_to?: string | null }
export interface AddContact { did?: string | null; invitation?: string | null; alias?: string | null; text?: string | null }
export type Frame =
  | { n: number; type: 'hello'; data: { run: string; resumed: boolean } }
  | { n: number; type: 'ping' }
  | { n: number; type: 'contact'; data: Contact }
  | { n: number; type: 'contact_removed'; data: { did: string } }
  | { n: number; type: 'message'; data: Message }
  | { n: number; type: 'message_state'; data: { conversation: string; id: string; state: MessageState } }
  | { n: number; type: 'profile'; data: { name: string } }
  | { n: number; type: 'network'; data: unknown }
  | { n: number; type: 'health'; data: unknown }
  | { n: number; type: 'resync'; data: null }
export interface SessionView { signed_in: boolean; role: 'owner' | null; expires: number | null }
