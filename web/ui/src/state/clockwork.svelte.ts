/** The time as lists need it: "14:03" becomes "Yesterday" while nobody touches the page. */
class Clockwork {
  minute = $state(Date.now())

  constructor() {
    setInterval(() => (this.minute = Date.now()), 60_000)
  }
}

export const clockwork = new Clockwork()
