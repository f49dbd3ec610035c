/** What the kernel holds of a file in memory goes, so that the next read asks the card (posix_fadvise(2), which Node does not have). */

/** POSIX_FADV_DONTNEED of x86-64 and arm64. */
const DONT_NEED = 4;

type Advise = (fd: number, offset: number, length: number, advice: number) => number;
let found: Promise<Advise | undefined> | undefined;

/** Pages that are not on the card yet stay: sync before. Where the C library cannot be called, nothing happens. */
export async function forgetPages(fd: number): Promise<void> {
  found ??= adviser();
  const advise = await found;
  advise?.(fd, 0, 0, DONT_NEED);
}

async function adviser(): Promise<Advise | undefined> {
  try {
    const { default: koffi } = await import('koffi');
    return koffi.load(null).func('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)') as Advise;
  } catch {
    return undefined;
  }
}
