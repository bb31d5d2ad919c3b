import { describe, expect, test } from 'vitest'
import { linesOf, listenOn, onePort, portOf } from './listen'

describe('where a node listens', () => {
  test('all kinds of addresses on one port are that port, in any order', () => {
    expect(onePort(listenOn(4201))).toBe(4201)
    expect(onePort(listenOn(1).reverse())).toBe(1)
  })

  test('anything else is named address by address', () => {
    for (const listen of [[], ['/ip4/0.0.0.0/tcp/4201'], listenOn(1).concat('/ip4/127.0.0.1/tcp/2'), [...listenOn(1).slice(1), '/ip4/0.0.0.0/tcp/2']]) {
      expect(onePort(listen)).toBeNull()
    }
  })

  test('a port is a number from 1 to 65535', () => {
    expect(portOf(' 4201 ')).toBe(4201)
    for (const text of ['', '0', '65536', '4201a', '-1', '1e3', '٤٢٠١', '000000']) expect(portOf(text)).toBeNull()
  })

  test('empty lines and spaces are nobody’s address', () => expect(linesOf(' a \n\n b')).toEqual(['a', 'b']))
})
