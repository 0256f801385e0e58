/**
 * SPF: a name has one record that says who may send mail for it, so what we need is put into the one that somebody else made, and
 * taken out again later. Pure. Only mechanisms are added; how strict the record is stays its maker's choice.
 */

const SPF = /^v=spf1(?=\s|$)/i;

export function isSpf(value: string): boolean {
  return SPF.test(value);
}

/** Mechanisms without the version, without `all` and without redirects. */
function mechanismsOf(value: string): string[] {
  const words = value.trim().split(/\s+/).slice(1);
  return words.filter((word) => !/^[+?~-]?all$/i.test(word) && !/^redirect=/i.test(word));
}

/** Their record with what it lacks of ours right after the version, and what was added: undefined where it lacks nothing. */
export function mergeSpf(theirs: string, ours: string): { value: string; added: string | undefined } {
  const present = theirs.trim().split(/\s+/);
  const lacking = mechanismsOf(ours).filter(
    (mechanism) => !present.some((word) => word.toLowerCase() === mechanism.toLowerCase()),
  );
  if (lacking.length === 0) return { value: theirs, added: undefined };
  const added = lacking.join(' ');
  return { value: theirs.replace(SPF, (version) => `${version} ${added}`), added };
}

/** Their record as it was, before `added` was put in. What somebody took out since stays out. */
export function withoutSpf(value: string, added: string): string {
  const whole = value.replace(new RegExp(`^(v=spf1) ${escapePattern(added)}(?=\\s|$)`, 'i'), '$1');
  if (whole !== value) return whole;
  const gone = new Set(added.split(/\s+/));
  return value
    .split(' ')
    .filter((word) => !gone.has(word))
    .join(' ');
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
