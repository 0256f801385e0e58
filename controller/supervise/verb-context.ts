/** What up, down and purge take from the command line they run on: streams, folders. Data goes to stdout, words to stderr. */
import type { Places } from './layout.ts';

export type VerbOptions = Readonly<Record<string, unknown>>;

/** The part of the verbs' context that these need. */
export interface VerbContext {
  socketPath: string;
  stdin: NodeJS.ReadableStream;
  stdout: { write(text: string): unknown };
  stderr: { write(text: string): unknown };
  /** Aborts on Ctrl-C and SIGTERM. */
  signal: AbortSignal;
}

/** Lines for a person. */
export interface Terminal {
  /** Data: what a script would read. */
  out(line: string): void;
  /** Words. */
  say(line: string): void;
}

export function terminalOf({ stdout, stderr }: Pick<VerbContext, 'stdout' | 'stderr'>): Terminal {
  return {
    out: (line) => void stdout.write(`${line}\n`),
    say: (line) => void stderr.write(`${line}\n`),
  };
}

export const placeOptions = [
  { flags: '--state <folder>', description: 'where its data is kept (/var/lib/holdfast, HOLDFAST_STATE)' },
  {
    flags: '--config <folder>',
    description: 'where people write manifests (/etc/holdfast, HOLDFAST_CONFIG)',
  },
];

export function placesOf({ socketPath }: Pick<VerbContext, 'socketPath'>, options: VerbOptions): Places {
  const folder = (name: string) => {
    const value = options[name];
    return typeof value === 'string' ? value : undefined;
  };
  return { state: folder('state'), config: folder('config'), socket: socketPath };
}
