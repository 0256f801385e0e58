/** What a `before` of a suite throws, uvu keeps to itself: no test runs, and nobody is told why. */

/** The same, and says what it throws. */
export function telling<A extends unknown[]>(work: (...given: A) => Promise<void>) {
  return async (...given: A): Promise<void> => {
    try {
      await work(...given);
    } catch (error) {
      console.log(`FAIL  before the tests: ${error instanceof Error ? error.stack : String(error)}`);
      throw error;
    }
  };
}
