/**
 * Bytes that all threads of this process have allocated and not given back, by malloc: buffers, SQLite, the tables of V8. JavaScript
 * objects are not in it. Buffers of objects that nobody has any more are, until V8 has collected them. The resident size says less: freed
 * memory stays in it, and hides what is lost in tens of megabytes. mallinfo2 of glibc 2.33 or later goes through all arenas
 * (malloc/malloc.c).
 */
import koffi from 'koffi';

const FIELDS = ['arena', 'ordblks', 'smblks', 'hblks', 'hblkhd', 'usmblks', 'fsmblks', 'uordblks', 'fordblks', 'keepcost'];
const info = koffi.struct('mallinfo2', Object.fromEntries(FIELDS.map((name) => [name, 'size_t'])));
const mallinfo2 = koffi.load(null).func('mallinfo2', info, []) as unknown as () => Record<'uordblks' | 'hblkhd', number>;

export function memoryInUse(): number {
  const { uordblks, hblkhd } = mallinfo2();
  return uordblks + hblkhd;
}
