/** The sections of the settings, in their order. A line here is all it takes to add one; each is loaded when it is opened. */
import Eye from '@lucide/svelte/icons/eye'
import Fingerprint from '@lucide/svelte/icons/fingerprint-pattern'
import HardDrive from '@lucide/svelte/icons/hard-drive'
import HeartHandshake from '@lucide/svelte/icons/heart-handshake'
import IdCard from '@lucide/svelte/icons/id-card'
import Info from '@lucide/svelte/icons/info'
import KeyRound from '@lucide/svelte/icons/key-round'
import Keyboard from '@lucide/svelte/icons/keyboard'
import MonitorSmartphone from '@lucide/svelte/icons/monitor-smartphone'
import SunMoon from '@lucide/svelte/icons/sun-moon'
import type { App } from './apps'
import { words } from './settings-words'

export interface Section extends Pick<App, 'id' | 'label' | 'icon' | 'load'> {}

export const sections: readonly Section[] = [
  { id: 'you', label: words.you, icon: IdCard, load: () => import('../screens/settings/You.svelte') },
  { id: 'told', label: words.told, icon: Eye, load: () => import('../screens/settings/Privacy.svelte') },
  { id: 'identity', label: words.identity, icon: Fingerprint, load: () => import('../screens/settings/Identity.svelte') },
  { id: 'appearance', label: words.appearance, icon: SunMoon, load: () => import('../screens/settings/Appearance.svelte') },
  { id: 'doors', label: words.doors, icon: KeyRound, load: () => import('../screens/Doors.svelte') },
  { id: 'lending', label: words.lending, icon: HeartHandshake, load: () => import('../screens/settings/Lending.svelte') },
  { id: 'storage', label: words.storage, icon: HardDrive, load: () => import('../screens/settings/Storage.svelte') },
  { id: 'keys', label: words.keys, icon: Keyboard, load: () => import('../screens/settings/Keys.svelte') },
  { id: 'browser', label: words.browser, icon: MonitorSmartphone, load: () => import('../screens/settings/Browser.svelte') },
  { id: 'about', label: words.about, icon: Info, load: () => import('../screens/settings/About.svelte') },
]
