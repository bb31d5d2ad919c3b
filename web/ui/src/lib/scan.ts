/** QR codes in the pictures of a camera. The pictures stay in this browser; the decoder is read when first needed. */

/** Often enough that a hand need not wait, seldom enough that a phone stays cool. */
const LOOK_MS = 150
/** Pictures are made this wide: the code of an invitation is read from a third of it. */
const WIDTH = 640

export const hasCamera = isSecureContext && typeof navigator.mediaDevices?.getUserMedia === 'function'

/** The camera on the back of a phone, where there is one. */
export const openCamera = (): Promise<MediaStream> =>
  navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: 'environment', width: { ideal: 1280 } } })

/** Tells `found` what each code says, until `signal` ends it. */
export async function scan(video: HTMLVideoElement, found: (text: string) => void, signal: AbortSignal): Promise<void> {
  const { default: decodeQR } = await import('qr/decode.js')
  const canvas = new OffscreenCanvas(1, 1)
  const context = canvas.getContext('2d', { willReadFrequently: true })
  while (!signal.aborted && context) {
    const { videoWidth, videoHeight } = video
    if (videoWidth > 0) {
      canvas.width = Math.min(WIDTH, videoWidth)
      canvas.height = Math.round((videoHeight * canvas.width) / videoWidth)
      context.drawImage(video, 0, 0, canvas.width, canvas.height)
      const text = read(() => decodeQR(context.getImageData(0, 0, canvas.width, canvas.height)))
      if (text !== null) found(text)
    }
    await new Promise((done) => setTimeout(done, LOOK_MS))
  }
}

/** Most pictures have no code: the decoder throws then. */
function read(decode: () => string): string | null {
  try {
    return decode()
  } catch {
    return null
  }
}
