/** What the system said of a file, in words: the message of Node names calls of the system, which help no technician. */
import { toError } from '../core/errors.ts';

const GONE = 'its disk is not there any more, as when a stick is pulled out';

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not do that; try sudo, or look at the owner and the mode (ls -l)',
  EBUSY: 'it is in use',
  // FUSE says this where its driver ends in the middle of a call.
  ECONNABORTED: GONE,
  EDQUOT: 'the disk is full',
  EFBIG: 'its file system takes no file so large',
  EIO: 'the disk or the stick has a fault, or was pulled out',
  EISDIR: 'it is a folder',
  ELOOP: 'its links lead in a circle',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'its name is too long',
  ENODEV: GONE,
  ENOENT: 'there is no such file or folder',
  ENOSPC: 'the disk is full',
  ENOTCONN: GONE,
  ENOTDIR: 'a part of its path is no folder',
  ENXIO: GONE,
  EPERM: 'this user may not do that; try sudo',
  EROFS: 'the file system is read-only',
};

/** @returns the message of the error, where it is none of the system */
export function fileWords(thrown: unknown): string {
  const error = toError(thrown);
  const code = 'code' in error && 'syscall' in error ? String(error.code) : '';
  return WORDS[code] ?? error.message;
}

/** The same of a fault that nobody has put into words: with the file that it names. */
export function faultWords(thrown: unknown): string {
  const words = fileWords(thrown);
  const file = words !== toError(thrown).message && (thrown as { path?: unknown }).path;
  return typeof file === 'string' ? `${file}: ${words}` : words;
}
