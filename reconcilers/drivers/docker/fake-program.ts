/**
 * What a process in a fake container does: says lines, and ends or runs on. Pure. It understands `sleep N`, `true`, `cat`
 * and `sh -c` with echo, sleep and exit between semicolons, which is all that the conformance suite and simulations say.
 */

interface ProgramLine {
  stream: 'stdout' | 'stderr';
  text: string;
  /** Milliseconds after the start. */
  after: number;
}

export interface Program {
  lines: ProgramLine[];
  /** undefined: it runs until it is stopped. */
  exit?: { code: number; after: number };
  /** Gives back what it reads, and ends with its input. */
  echoesInput?: boolean;
}

/** undefined when there is no such program. */
export function readProgram(command: readonly string[]): Program | undefined {
  const [name = '', ...rest] = command;
  if (name === 'cat') return { lines: [], echoesInput: true };
  if ((name === 'sh' || name === '/bin/sh') && rest[0] === '-c') return readScript(rest[1] ?? '');
  if (['sleep', 'true', 'echo', 'exit'].includes(name)) return readScript(command.join(' '));
  // What an image brings with it runs on; an absolute path is taken for one that it lacks.
  return name.startsWith('/') ? undefined : { lines: [] };
}

function readScript(script: string): Program {
  const lines: ProgramLine[] = [];
  let after = 0;
  for (const statement of script.split(';')) {
    const [verb, ...words] = statement.trim().split(/\s+/);
    if (verb === 'sleep')
      after += words[0] === 'infinity' ? Number.POSITIVE_INFINITY : Number(words[0]) * 1000;
    if (verb === 'exit') return { lines, exit: { code: Number(words[0] ?? 0), after } };
    if (verb !== 'echo') continue;
    const stream = words.at(-1) === '>&2' ? 'stderr' : 'stdout';
    lines.push({ stream, text: words.filter((word) => word !== '>&2').join(' '), after });
  }
  return Number.isFinite(after) ? { lines, exit: { code: 0, after } } : { lines };
}
