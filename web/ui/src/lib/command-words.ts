/** What the command box says; read with it. */
import { MOD } from './strings'

export const words = {
  title: 'Go to, or do',
  field: 'Search people, messages, apps, settings and actions',
  results: 'Found',
  none: (query: string) => `Nothing matches “${query}”`,
  groups: { people: 'People', messages: 'Messages', apps: 'Apps', settings: 'Settings', acts: 'Actions' },
  invite: 'Connect with someone',
  requests: 'Show requests',
  keys: 'Show what the keys do',
  reconnect: 'Try to reach your PC2 now',
  looks: { system: 'Colours as the system has them', light: 'Light colours', dark: 'Dark colours', more: 'High contrast', less: 'No high contrast' },
  copyDid: 'Copy your DID',
  signOut: 'Sign out',
  windows: {
    full: (app: string) => `Maximise ${app}`,
    left: (app: string) => `${app} to the left half`,
    right: (app: string) => `${app} to the right half`,
    away: (app: string) => `Minimise ${app}`,
    close: (app: string) => `Close ${app}`,
  },
  hint: `↑ ↓ to choose, Enter to go, Esc to close. ${MOD} K opens this anywhere.`,
}
