/** The apps of the desktop, in the order of the dock. A line here is all it takes to add one; each is loaded when it is opened. */
import ArrowDownUp from '@lucide/svelte/icons/arrow-down-up'
import Blocks from '@lucide/svelte/icons/blocks'
import Calculator from '@lucide/svelte/icons/calculator'
import FileDigit from '@lucide/svelte/icons/file-digit'
import Globe from '@lucide/svelte/icons/globe'
import MessagesSquare from '@lucide/svelte/icons/messages-square'
import Settings2 from '@lucide/svelte/icons/settings-2'
import type { Component } from 'svelte'
import { contacts } from '../state/contacts.svelte'
import { place } from '../state/route.svelte'
import { transfers } from '../state/transfers.svelte'
import { ownModule } from './own-modules'
import { words } from './strings'

export interface App {
  /** The first part of its address, too. */
  id: string
  label: string
  icon: Component<{ size?: number; strokeWidth?: number; 'aria-hidden'?: 'true' }>
  load: () => Promise<{ default: Component }>
  /** How large its window opens. */
  size: readonly [number, number]
  /** How much in it waits for its owner, and in words. */
  waits?: () => { count: number; words: string }
  /** On a narrow screen it takes the place of the dock, too: it has a way back of its own. */
  whole?: () => boolean
}

const { apps: name, people } = words
const chatWaits = () => {
  const { unread, asking } = contacts
  const parts = [unread > 0 && people.unread(unread), asking.length > 0 && people.requestsCount(asking.length)]
  return { count: unread + asking.length, words: parts.filter(Boolean).join(', ') }
}
const offersWait = () => ({ count: transfers.undecided, words: people.transfersCount(transfers.undecided) })

/** An app that runs as WebAssembly on the node: there if its module is. */
const own = (id: string, app: Omit<App, 'id'>): App[] => (ownModule(id) === undefined ? [] : [{ id, ...app }])

export const apps: readonly App[] = [
  { id: 'chat', label: name.chat, icon: MessagesSquare, load: () => import('../screens/Chat.svelte'), size: [1040, 720], waits: chatWaits, whole: () => place.chat.at === 'person' },
  { id: 'transfers', label: name.transfers, icon: ArrowDownUp, load: () => import('../screens/Transfers.svelte'), size: [760, 640], waits: offersWait },
  { id: 'network', label: name.network, icon: Globe, load: () => import('../screens/Network.svelte'), size: [720, 720] },
  { id: 'settings', label: name.settings, icon: Settings2, load: () => import('../screens/Settings.svelte'), size: [820, 680] },
  { id: 'programs', label: name.programs, icon: Blocks, load: () => import('../screens/Programs.svelte'), size: [760, 680] },
  ...own('calculator', { label: name.calculator, icon: Calculator, load: () => import('../screens/Calculator.svelte'), size: [360, 560] }),
  ...own('file-processor', { label: name.counter, icon: FileDigit, load: () => import('../screens/FileProcessor.svelte'), size: [620, 620] }),
]

export const appNamed = (id: string): App | undefined => apps.find((app) => app.id === id)
