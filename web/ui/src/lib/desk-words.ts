/** What windows and the dock say beside what is in `strings`; read after the desktop stands. */
export const words = {
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
