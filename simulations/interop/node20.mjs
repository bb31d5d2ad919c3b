/** `Promise.withResolvers` for Node.js 20, which libraries below js-libp2p take for granted. To be imported first; goes when 22 is required. */
Promise.withResolvers ??= function () {
  const made = {}
  made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }))
  return made
}
