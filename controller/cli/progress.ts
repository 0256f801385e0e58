/**
 * Says on stderr what is being waited for: one line that is painted over on a terminal, a line for each change elsewhere. It never
 * writes data and never fails.
 */
import { oneLine } from './terminal.ts';
import type { CliContext } from './verb.ts';

export interface Progress {
  /** What this thing does now. Said again it is shown once. */
  update(name: string, text: string): void;
  done(name: string, text: string): void;
  close(): void;
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

export function progressOn(context: CliContext): Progress {
  const isTerminal = context.stderr.isTTY === true && context.env['TERM'] !== 'dumb';
  return isTerminal ? painted(context) : lines(context);
}

function lines({ stderr }: CliContext): Progress {
  const said = new Map<string, string>();
  const say = (name: string, text: string) => {
    if (said.get(name) === text) return;
    said.set(name, text);
    stderr.write(`${name}: ${oneLine(text)}\n`);
  };
  return { update: say, done: say, close() {} };
}

function painted({ stderr }: CliContext): Progress {
  const working = new Map<string, string>();
  let frame = 0;
  const clear = () => stderr.write('\r\u001b[K');
  const paint = () => {
    const [first] = working;
    if (first === undefined) return;
    const more = working.size > 1 ? ` (and ${working.size - 1} more)` : '';
    const text = oneLine(`${FRAMES[frame++ % FRAMES.length]} ${first[0]}: ${first[1]}${more}`);
    stderr.write(`\r\u001b[K${[...text].slice(0, (stderr.columns || 80) - 1).join('')}`);
  };
  const timer = setInterval(paint, 100);
  timer.unref();
  return {
    update(name, text) {
      working.set(name, text);
      paint();
    },
    done(name, text) {
      working.delete(name);
      clear();
      stderr.write(`${name}: ${oneLine(text)}\n`);
    },
    close() {
      clearInterval(timer);
      clear();
    },
  };
}
