/** The order in which points that hang on each other are computed, and the loops that allow none. Without recursion: chains are long. */

/**
 * @param inputs of each, by index; an index outside counts as a source
 * @returns the indexes in an order in which inputs come first; those in or behind a loop are missing
 */
export function inOrder(inputs: readonly (readonly number[])[]): number[] {
  const waiting = new Int32Array(inputs.length);
  const behind = new Map<number, number[]>();
  inputs.forEach((all, i) => {
    for (const input of all) {
      if (input < 0 || input >= inputs.length) continue;
      waiting[i] = (waiting[i] ?? 0) + 1;
      const followers = behind.get(input);
      if (followers === undefined) behind.set(input, [i]);
      else followers.push(i);
    }
  });
  const order: number[] = [];
  for (let i = 0; i < inputs.length; i++) if (waiting[i] === 0) order.push(i);
  for (let next = 0; next < order.length; next++)
    for (const follower of behind.get(order[next] as number) ?? []) {
      const left = (waiting[follower] as number) - 1;
      waiting[follower] = left;
      if (left === 0) order.push(follower);
    }
  return order;
}

/** @returns each loop once, as the indexes along it; the first is the one with the lowest index */
export function loops(inputs: readonly (readonly number[])[]): number[][] {
  const inNone = new Set(inOrder(inputs));
  const seen = new Set<number>();
  const found: number[][] = [];
  for (let start = 0; start < inputs.length; start++) {
    if (inNone.has(start) || seen.has(start)) continue;
    // Each has an input that has no place in the order either, so the walk ends in a loop.
    const trail: number[] = [];
    const places = new Map<number, number>();
    let at: number | undefined = start;
    while (at !== undefined && !seen.has(at)) {
      seen.add(at);
      places.set(at, trail.length);
      trail.push(at);
      at = inputs[at]?.find((input) => input >= 0 && input < inputs.length && !inNone.has(input));
    }
    const from = at === undefined ? undefined : places.get(at);
    if (from !== undefined) found.push(trail.slice(from).reverse());
  }
  return found.map((loop) => {
    const least = loop.indexOf(loop.reduce((a, b) => Math.min(a, b)));
    return [...loop.slice(least), ...loop.slice(0, least)];
  });
}
