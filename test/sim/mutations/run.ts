/** To come. */
export async function runMutations(_options: { only?: string }): Promise<number> {
  return 0;
}
