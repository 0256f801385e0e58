/** Waits for a condition, with a deadline. Tests use it instead of sleeping. */

export interface UntilOptions {
  seconds?: number;
  everyMilliseconds?: number;
}

/**
 * Answers the first value that is neither undefined nor false. A condition that throws is asked again; its last error is
 * told when time is over.
 */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  { seconds = 30, everyMilliseconds = 200 }: UntilOptions = {},
): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      const why = last === undefined ? '' : `: ${last instanceof Error ? last.message : String(last)}`;
      throw new Error(`waited ${seconds} s for this and it did not come: ${what}${why}`);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMilliseconds));
  }
}
