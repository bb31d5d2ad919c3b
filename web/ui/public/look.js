/*
 * The look that was chosen in this browser, before anything is painted: a script of its own, because the policy of the page allows no inline ones, and
 * a module would come too late. `lib/look.ts` keeps the choice and calls for this again; so does another tab that changes it.
 */
{
  const contrast = matchMedia('(prefers-contrast: more)')
  const look = () => {
    let kept = ''
    try {
      kept = localStorage.getItem('pc2-look') ?? ''
    } catch {
      // A browser may refuse storage: then it is as the system has it.
    }
    const [theme, more] = kept.split(' ')
    const { dataset } = document.documentElement
    dataset.theme = theme === 'light' || theme === 'dark' ? theme : 'system'
    // What a phone paints around the page; as the system has it, each of the two names its own.
    for (const meta of document.querySelectorAll('meta[name=theme-color]')) {
      const dark = theme === 'dark' || (theme !== 'light' && meta.media.includes('dark'))
      meta.content = dark ? '#10161a' : '#f3f5f6'
    }
    dataset.contrast = more === 'more' || contrast.matches ? 'more' : 'system'
  }
  look()
  contrast.addEventListener('change', look)
  addEventListener('storage', look)
  addEventListener('pc2-look', look)
}
