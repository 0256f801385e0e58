/** One line per figure, and beside it the ratio to a peer that was measured in the same run: absolute times depend on the machine. */

export interface Peer {
  what: string;
  figure: number;
}

export function report(what: string, figure: number, unit: string, beside?: Peer): void {
  const digits = figure < 100 ? 2 : 0;
  const ratio = beside === undefined ? '' : `  ${(figure / beside.figure).toFixed(2)} x ${beside.what}`;
  console.log(`${what.padEnd(52)} ${figure.toFixed(digits).padStart(9)} ${unit}${ratio}`);
}

/** Seconds that something took. */
export async function secondsOf(run: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await run();
  return (performance.now() - begun) / 1_000;
}
