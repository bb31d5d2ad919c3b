/** What windows and the dock say beside what is in `strings`; read after the desktop stands. */
import { MOD } from './strings'

export const words = {
  arrange: (app: string) => `Move or resize ${app}`,
  arrangeHint: `Drag it, or use the arrow keys: with Shift they resize, with ${MOD} they snap`,
  away: (app: string) => `Minimise ${app}`,
  awayShort: 'Minimise',
  full: (app: string) => `Maximise ${app}`,
  fullShort: 'Maximise',
  free: (app: string) => `Make ${app} smaller`,
  freeShort: 'Its own size',
  close: (app: string) => `Close ${app}`,
  closeShort: 'Close',
  placesOf: (app: string) => `Places for ${app}`,
  places: {
    left: 'Left half',
    right: 'Right half',
    'top-left': 'Upper left',
    'top-right': 'Upper right',
    'bottom-left': 'Lower left',
    'bottom-right': 'Lower right',
  },
}
