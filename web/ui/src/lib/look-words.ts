/** What the appearance says; read with it. */
export const words = {
  theme: 'Colours',
  themes: [
    ['system', 'As the system', 'Light by day and dark by night, if your system does that.'],
    ['light', 'Light', ''],
    ['dark', 'Dark', ''],
  ] as const,
  contrast: 'High contrast',
  contrastHint: 'Black, white and firm lines. When your system asks for more contrast, it is on anyway.',
  here: 'This is kept in this browser.',
}
