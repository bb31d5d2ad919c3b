/** Runes everywhere; types in components are erased by the compiler itself, so nothing preprocesses. */
export default { compilerOptions: { runes: true } }
