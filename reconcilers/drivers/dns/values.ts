/**
 * Values of records in one canonical form, and what is wrong with those that cannot be. Pure. Providers write the same record in
 * several ways (dots at the end, quotes, upper case, short IPv6); everything is brought to one form before it is compared.
 */
import { createHash } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { RecordType } from '../../../resources/dnsrecord.ts';
import { hostProblems } from '../../../resources/domain.ts';

/** The canonical form; what cannot be read stays as it is. */
export function canonicalValue(type: RecordType, value: string): string {
  const words = value.trim().split(/\s+/);
  switch (type) {
    case 'A':
      return value.trim();
    case 'AAAA':
      return isIPv6(value.trim()) ? ipaddr.IPv6.parse(value.trim()).toRFC5952String() : value.trim();
    case 'CNAME':
      return plainName(value.trim());
    case 'MX':
      return words.length === 2 ? `${Number(words[0])} ${plainName(words[1] ?? '')}` : value.trim();
    case 'SRV':
      return words.length === 4
        ? `${words.slice(0, 3).map(Number).join(' ')} ${plainName(words[3] ?? '')}`
        : value.trim();
    case 'TXT':
      return value;
    case 'CAA':
      return canonicalCaa(value);
  }
}

export function canonicalValues(type: RecordType, values: readonly string[]): string[] {
  return [...new Set(values.map((value) => canonicalValue(type, value)))].sort();
}

/** Without a dot at the end and in lower case: as names are compared in DNS. */
export function plainName(name: string): string {
  return (name === '.' ? name : name.replace(/\.$/, '')).toLowerCase();
}

function canonicalCaa(value: string): string {
  const parsed = parseCaa(value);
  return parsed ? `${parsed.flags} ${parsed.tag} ${parsed.value}` : value.trim();
}

/** `0 issue "letsencrypt.org"`, with or without quotes. */
export function parseCaa(value: string): { flags: number; tag: string; value: string } | undefined {
  const match = /^(\d{1,3})\s+([A-Za-z0-9]+)\s+(?:"(.*)"|(.*))$/.exec(value.trim());
  if (!match) return undefined;
  return {
    flags: Number(match[1]),
    tag: (match[2] ?? '').toLowerCase(),
    value: (match[3] ?? match[4] ?? '').trim(),
  };
}

/** What is wrong with a value, as a sentence; undefined when it can be published. */
export function valueProblem(type: RecordType, value: string): string | undefined {
  const words = value.trim().split(/\s+/);
  const numbers = (count: number) =>
    words.length === count + 1 && words.slice(0, count).every((word) => isWord16(word));
  switch (type) {
    case 'A':
      return isIPv4(value.trim()) ? undefined : `"${value}" is no IPv4 address`;
    case 'AAAA':
      return isIPv6(value.trim()) ? undefined : `"${value}" is no IPv6 address`;
    case 'CNAME':
      return targetProblem(value.trim());
    case 'MX':
      return numbers(1)
        ? targetProblem(words[1] ?? '')
        : `"${value}" is no MX: a number and a host name are expected, such as 10 mail.example.com`;
    case 'SRV':
      return numbers(3)
        ? targetProblem(words[3] ?? '')
        : `"${value}" is no SRV: three numbers and a host name are expected, such as 0 5 993 mail.example.com`;
    case 'TXT':
      return textProblem(value);
    case 'CAA': {
      const caa = parseCaa(value);
      return caa && caa.flags < 256
        ? undefined
        : `"${value}" is no CAA: flags, a tag and a value are expected, such as 0 issue letsencrypt.org`;
    }
  }
}

function isWord16(word: string): boolean {
  return /^\d{1,5}$/.test(word) && Number(word) < 65_536;
}

function targetProblem(name: string): string | undefined {
  if (name === '.') return undefined;
  const [problem] = hostProblems(plainName(name));
  return problem === undefined ? undefined : `"${name}" is no host name: ${problem}`;
}

function textProblem(value: string): string | undefined {
  // What has other signs is read in different ways by different providers.
  return /^[\x20-\x7e]*$/.test(value)
    ? undefined
    : 'text of TXT must be of ASCII letters, digits and signs, without line ends';
}

const MOST_IN_STRING = 255;

/** Text in the pieces that DNS has room for. */
export function textPieces(text: string): string[] {
  const pieces = text.match(new RegExp(`[\\s\\S]{1,${MOST_IN_STRING}}`, 'g'));
  return pieces ?? [''];
}

/** As in a zone file: "piece" "piece", with quotes and backslashes escaped. */
export function quoteText(text: string): string {
  return textPieces(text)
    .map((piece) => `"${piece.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`)
    .join(' ');
}

/** The text of `"piece" "piece"`; what stands without quotes is taken as it is. */
export function unquoteText(value: string): string {
  const text = value.trim();
  if (!text.startsWith('"')) return text;
  let result = '';
  for (const [, piece = ''] of text.matchAll(/"((?:[^"\\]|\\.)*)"/gs))
    result += piece.replace(/\\(\d{3}|.)/gs, (_whole, sign: string) =>
      /^\d{3}$/.test(sign) ? String.fromCharCode(Number(sign)) : sign,
    );
  return result;
}

/** Short name of a value, for marks. */
export function valueDigest(value: string): string {
  return createHash('sha256').update(value).digest('hex').slice(0, 12);
}
