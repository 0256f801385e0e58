/**
 * CAA records (RFC 8659): which authorities the owner of a name lets issue for it. Looked up before an order, because an authority
 * that finds them against it counts the order as failed. The reconciler of Certificates calls it.
 */
export interface CaaRecord {
  /** issue or issuewild; others say nothing about who may issue. */
  tag: string;
  /** The authority's name, without its parameters; empty forbids all. */
  value: string;
}

export interface CaaReading {
  /**
   * The records at exactly this name, empty where there are none. DriverError where nobody answers. `servers`: asked
   * instead of the machine's own resolver; names or addresses, with :port where it is not 53.
   */
  records(name: string, servers?: readonly string[]): Promise<readonly CaaRecord[]>;
}

export interface CaaVerdict {
  /** The name at which the records are that count. */
  at: string;
  records: readonly CaaRecord[];
}

/**
 * The records that forbid an authority to issue for a host; undefined where none do. Goes up from the host until a name has some, as the
 * authority does. A host that cannot be looked up is forbidden nothing: the authority will say.
 */
export async function forbidden(
  host: string,
  identities: readonly string[],
  lookup: (name: string) => Promise<readonly CaaRecord[]>,
): Promise<CaaVerdict | undefined> {
  if (identities.length === 0) return undefined;
  const isWildcard = host.startsWith('*.');
  const labels = host.replace(/^\*\./, '').split('.');
  for (let index = 0; index < labels.length; index += 1) {
    const at = labels.slice(index).join('.');
    const records = await lookup(at);
    if (records.length > 0) return allows(records, isWildcard, identities) ? undefined : { at, records };
  }
  return undefined;
}

function allows(records: readonly CaaRecord[], isWildcard: boolean, identities: readonly string[]): boolean {
  const of = (tag: string) => records.filter((record) => record.tag === tag);
  const wild = isWildcard ? of('issuewild') : [];
  const counting = wild.length > 0 ? wild : of('issue');
  // Records of other kinds only, such as iodef, restrict nothing.
  return counting.length === 0 || counting.some(({ value }) => identities.includes(value));
}
