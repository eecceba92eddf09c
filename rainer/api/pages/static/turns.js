// A browser without HTTP/2 opens six connections to a server. Of the tabs that are seen at once, those used last follow.
// Without locks, for browsers give these only to pages that came encrypted.

const FOLLOWING_MAX = 4;

export class Turns {
  #channel = new BroadcastChannel("rainer-live");
  #id = Math.random();
  #used = 0; // when this tab was used last; 0 while nobody sees it
  #others = new Map();

  // `changed` is called when it may be this tab's turn, or no more.
  constructor(changed) {
    this.#channel.onmessage = ({ data: { id, used } }) => {
      if (used) this.#others.set(id, used);
      else this.#others.delete(id);
      changed();
    };
  }

  get isOurs() {
    return this.#used > 0 && [...this.#others.values()].filter((used) => used > this.#used).length < FOLLOWING_MAX;
  }

  use() {
    this.#tell(Date.now());
  }

  leave() {
    this.#tell(0);
  }

  #tell(used) {
    this.#used = used;
    this.#channel.postMessage({ id: this.#id, used });
  }
}
