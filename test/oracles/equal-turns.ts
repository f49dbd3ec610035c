/**
 * How unequal the turns of peers are: over any stretch from one turn of somebody to that so many turns later, how many turns anybody
 * else had more or less.
 * @param peers for each the times of its turns, ascending
 */
export function mostApart(peers: readonly (readonly number[])[], turns: number): number {
  let most = 0;
  for (const one of peers)
    for (const other of peers) {
      if (other === one) continue;
      let [from, to] = [0, 0];
      for (let i = 0; i + turns < one.length; i++) {
        while ((other[from] ?? Number.POSITIVE_INFINITY) < (one[i] as number)) from++;
        while ((other[to] ?? Number.POSITIVE_INFINITY) < (one[i + turns] as number)) to++;
        most = Math.max(most, Math.abs(to - from - turns));
      }
    }
  return most;
}
