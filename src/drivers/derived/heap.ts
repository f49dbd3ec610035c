/** Small whole numbers, the smallest first. */
export class Heap {
  readonly #all: number[] = [];

  push(value: number): void {
    const all = this.#all;
    let at = all.length;
    all.push(value);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = all[parent] as number;
      if (above <= value) break;
      all[at] = above;
      at = parent;
    }
    all[at] = value;
  }

  pop(): number | undefined {
    const all = this.#all;
    const first = all[0];
    const last = all.pop();
    if (last === undefined || all.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= all.length) break;
      if (child + 1 < all.length && (all[child + 1] as number) < (all[child] as number)) child++;
      if ((all[child] as number) >= last) break;
      all[at] = all[child] as number;
      at = child;
    }
    all[at] = last;
    return first;
  }
}
