/** What the keys do, for the list of them. */
import { MOD } from './strings'

export const title = 'What the keys do'

export const shortcuts = [
  [`${MOD} K`, 'Find people, apps, settings, and what can be done'],
  [`${MOD} F`, 'Search in the conversation that is open'],
  ['↑ ↓', 'Move through a list'],
  ['Enter', 'Send, or open'],
  ['Shift Enter', 'New line'],
  ['F6', 'Next window; with Shift the one before'],
  ['← → ↑ ↓', 'In the bar of a window: move it; with Shift make it larger or smaller'],
  [`${MOD} ← → ↑ ↓`, 'In the bar of a window: halves, quarters, all of the desktop'],
  ['Esc', 'Close what is on top'],
  ['?', 'Show this'],
] as const
