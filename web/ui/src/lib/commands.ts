/** Everything that can be gone to or done from the command box, and what of it a few letters mean. */
import AppWindow from '@lucide/svelte/icons/app-window'
import Contrast from '@lucide/svelte/icons/contrast'
import Copy from '@lucide/svelte/icons/copy'
import Inbox from '@lucide/svelte/icons/inbox'
import Keyboard from '@lucide/svelte/icons/keyboard'
import LogOut from '@lucide/svelte/icons/log-out'
import SunMoon from '@lucide/svelte/icons/sun-moon'
import UserRoundPlus from '@lucide/svelte/icons/user-round-plus'
import Wifi from '@lucide/svelte/icons/wifi'
import { contacts } from '../state/contacts.svelte'
import { desk } from '../state/desk.svelte'
import { hrefs, place } from '../state/route.svelte'
import { session } from '../state/session.svelte'
import { toasts } from '../state/toasts.svelte'
import { appNamed, apps, type App } from './apps'
import { copyText } from './clipboard'
import { words } from './command-words'
import { briefly, shortDid } from './format'
import { fits, plain } from './fuzzy'
import { look, setLook } from './look'
import { findMessages } from './search'
import { sections } from './settings-sections'
import { words as common } from './strings'

export type Group = keyof typeof words.groups

export interface Command {
  id: string
  group: Group
  label: string
  /** Shown beside it, and searched too. */
  hint?: string
  /** A person's picture is made from it, instead of an icon. */
  did?: string
  icon?: App['icon']
  run: () => void
}

/** So many of a group are shown. */
const MOST = 12
/** So many messages: who wants more of them searches in the chats. */
const MOST_MESSAGES = 5

function go(href: string): void {
  if (place.href === href) desk.arrive()
  else place.go(href)
}

async function copyDid(did: string): Promise<void> {
  toasts.say((await copyText(did)) ? common.copy.copied : common.copy.failed)
}

function everything(): Command[] {
  const people = contacts.visible.map(({ did, label, name }) => ({
    id: did,
    group: 'people' as const,
    label,
    hint: name !== null && name !== label ? name : shortDid(did),
    did,
    run: () => go(hrefs.person(did)),
  }))
  const programs = apps.map(({ id, label, icon }) => ({ id, group: 'apps' as const, label, icon, run: () => go(desk.href(id)) }))
  const settings = sections.map(({ id, label, icon }) => ({ id: `settings/${id}`, group: 'settings' as const, label, icon, run: () => go(hrefs.settings(id)) }))
  // On a phone this is where the other apps are.
  const first = desk.narrow ? [...programs, ...people] : [...people, ...programs]
  return [...first, ...settings, ...acts().map((act) => ({ ...act, group: 'acts' as const }))]
}

function acts(): Omit<Command, 'group'>[] {
  const { me } = session
  return [
    { id: 'invite', label: words.invite, icon: UserRoundPlus, run: () => (desk.overlay = 'connect') },
    { id: 'requests', label: words.requests, icon: Inbox, run: () => go(hrefs.requests) },
    ...(me ? [{ id: 'did', label: words.copyDid, icon: Copy, run: () => void copyDid(me.did) }] : []),
    ...(session.away ? [{ id: 'reconnect', label: words.reconnect, icon: Wifi, run: () => session.reconnect() }] : []),
    ...windowActs(),
    ...looks(),
    { id: 'keys', label: words.keys, hint: '?', icon: Keyboard, run: () => (desk.overlay = 'keys') },
    { id: 'sign-out', label: words.signOut, icon: LogOut, run: () => void session.signOut().catch((error) => toasts.problem(error)) },
  ]
}

/** The looks that the page does not have now. */
function looks(): Omit<Command, 'group'>[] {
  const now = look()
  const themes = (['system', 'light', 'dark'] as const).filter((theme) => theme !== now.theme)
  return [
    ...themes.map((theme) => ({ id: theme, label: words.looks[theme], icon: SunMoon, run: () => setLook({ ...now, theme }) })),
    { id: 'contrast', label: now.more ? words.looks.less : words.looks.more, icon: Contrast, run: () => setLook({ ...now, more: !now.more }) },
  ]
}

/** What can be done with the window in front. */
function windowActs(): Omit<Command, 'group'>[] {
  const app = desk.narrow ? undefined : appNamed(desk.front ?? '')
  if (!app) return []
  const { id, label } = app
  const run = { full: () => desk.fit(id, 'full'), left: () => desk.fit(id, 'left'), right: () => desk.fit(id, 'right'), away: () => desk.putAway(id), close: () => desk.close(id) }
  return (Object.keys(run) as (keyof typeof run)[]).map((what) => ({ id: what, label: words.windows[what](label), icon: AppWindow, run: run[what] }))
}

/** What is meant by `query`, the best group first; without one, what is at hand. */
export function found(query: string): { group: Group; list: Command[] }[] {
  const wanted = plain(query.trim())
  const scored = everything().flatMap((command) => {
    const own = fits(wanted, plain(command.label))
    const beside = command.hint ? fits(wanted, plain(command.hint)) : null
    const score = Math.max(own ?? -1, (beside ?? -1) - 1)
    return own === null && beside === null ? [] : [{ command, score }]
  })
  if (wanted !== '') scored.sort((a, b) => b.score - a.score)
  const groups = [...new Set(scored.map(({ command }) => command.group))]
  return groups.map((group) => ({ group, list: scored.filter(({ command }) => command.group === group).slice(0, MOST).map(({ command }) => command) }))
}

/** Messages that say what is typed, the latest first. The node finds them, so they come a moment later than the rest. */
export async function messages(query: string): Promise<Command[]> {
  const { items } = await findMessages({ q: query, limit: MOST_MESSAGES })
  return items.map(({ message, snippet }) => ({
    id: `message/${message.id}`,
    group: 'messages',
    label: snippet.map(({ text }) => text).join(''),
    hint: `${contacts.get(message.conversation)?.label ?? shortDid(message.conversation)}, ${briefly(message.at, Date.now())}`,
    did: message.conversation,
    run: () => go(hrefs.message(message.conversation, message.id)),
  }))
}
