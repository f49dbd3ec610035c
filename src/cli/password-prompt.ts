/** Passwords come from the terminal, without an echo, or from standard input; never from an argument, which every user can see. */
import { SluiceError } from '../core/errors.ts';

/** Bytes that are read from standard input. */
const MOST = 4096;

/** Asked for twice on a terminal. @throws SluiceError usage, request-invalid */
export async function newPassword(fromStdin: boolean | undefined, whose: string, way = '--password-stdin'): Promise<string> {
  if (fromStdin) return stdinLine();
  if (process.stdin.isTTY !== true)
    throw new SluiceError('usage', `there is no terminal to ask for the password: give it with ${way}`);
  const [password = '', again] = await ask([`New password for ${whose}: `, 'Again: ']);
  if (again !== password) throw new SluiceError('request-invalid', 'the two passwords are not the same; nothing was changed');
  return password;
}

/** The first line; a line end belongs to no password. */
async function stdinLine(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST) throw new SluiceError('request-invalid', `standard input has more than ${MOST} bytes, which is no password`);
    chunks.push(chunk);
  }
  // Editors of Windows put a mark in front of a text.
  const [line = ''] = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .split(/\r?\n/);
  return line;
}

/** One line of the terminal for each question, shown nowhere: the echo is off before the first question, until the last answer. */
function ask(questions: readonly string[]): Promise<string[]> {
  const { stdin, stderr } = process;
  return new Promise((resolve, reject) => {
    const answers: string[] = [];
    let typed: string[] = [];
    const end = (act: () => void): void => {
      stdin.off('data', take);
      stdin.pause();
      stdin.setRawMode(false);
      act();
    };
    const take = (text: string): void => {
      for (const key of text) {
        // Ctrl-C, and Ctrl-D.
        if (key === '\u0003' || key === '\u0004') {
          stderr.write('\n');
          end(() => reject(new SluiceError('request-invalid', 'cancelled; nothing was changed')));
          return;
        }
        if (key === '\r' || key === '\n') {
          answers.push(typed.join(''));
          typed = [];
          stderr.write(`\n${questions[answers.length] ?? ''}`);
          if (answers.length < questions.length) continue;
          end(() => resolve(answers));
          return;
        }
        if (key === '\u007f' || key === '\b') typed.pop();
        // Ctrl-U: all of it.
        else if (key === '\u0015') typed = [];
        else if (typed.length < MOST) typed.push(key);
      }
    };
    stdin.setRawMode(true);
    stdin.setEncoding('utf8');
    stdin.on('data', take);
    stderr.write(questions[0] ?? '');
  });
}

/** Whether the person at the terminal types `yes`. */
export async function isConfirmed(question: string): Promise<boolean> {
  if (process.stdin.isTTY !== true) return false;
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await lines.question(question)).trim() === 'yes';
  } finally {
    lines.close();
  }
}
