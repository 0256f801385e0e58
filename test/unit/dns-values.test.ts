/** Values of records: one canonical form, what is refused, and text of TXT in pieces. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  canonicalValue,
  canonicalValues,
  quoteText,
  unquoteText,
  valueProblem,
} from '../../reconcilers/drivers/dns/values.ts';
import type { RecordType } from '../../resources/dnsrecord.ts';

const canonical: [RecordType, found: string, canonical: string][] = [
  ['A', ' 192.0.2.1 ', '192.0.2.1'],
  ['AAAA', '2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['AAAA', '2001:db8::0001', '2001:db8::1'],
  ['CNAME', 'Wiki.Example.com.', 'wiki.example.com'],
  ['MX', '010  Mail.Example.com.', '10 mail.example.com'],
  ['MX', '0 .', '0 .'],
  ['SRV', '0 5 993 mail.example.com.', '0 5 993 mail.example.com'],
  ['TXT', 'v=spf1  ~all', 'v=spf1  ~all'],
  ['CAA', '0 Issue "letsencrypt.org"', '0 issue letsencrypt.org'],
  ['CAA', '0 issue ";"', '0 issue ;'],
];

for (const [type, found, wanted] of canonical) {
  test(`${type} ${found} is ${wanted}, also the second time`, () => {
    assert.is(canonicalValue(type, found), wanted);
    assert.is(canonicalValue(type, wanted), wanted);
  });
}

test('values have no order and stand once', () => {
  assert.equal(canonicalValues('A', ['192.0.2.2', '192.0.2.1', '192.0.2.2']), ['192.0.2.1', '192.0.2.2']);
});

const problems: [RecordType, value: string, words: RegExp | undefined][] = [
  ['A', '192.0.2.1', undefined],
  ['A', '192.0.2.256', /no IPv4/],
  ['A', '2001:db8::1', /no IPv4/],
  ['AAAA', '192.0.2.1', /no IPv6/],
  ['CNAME', 'wiki.example.com', undefined],
  ['CNAME', 'not a name', /no host name/],
  ['MX', 'mail.example.com', /no MX/],
  ['MX', '70000 mail.example.com', /no MX/],
  ['MX', '10 mail.example.com', undefined],
  ['SRV', '0 5 mail.example.com', /no SRV/],
  ['TXT', 'zwei\nZeilen', /ASCII/],
  ['TXT', 'größe', /ASCII/],
  ['CAA', 'issue letsencrypt.org', /no CAA/],
  ['CAA', '256 issue letsencrypt.org', /no CAA/],
  ['CAA', '0 issue letsencrypt.org; validationmethods=dns-01', undefined],
];

for (const [type, value, words] of problems) {
  test(`${type} ${JSON.stringify(value)} ${words ? 'is refused' : 'is good'}`, () => {
    const problem = valueProblem(type, value);
    if (words) assert.match(problem ?? '', words);
    else assert.is(problem, undefined);
  });
}

for (const text of [
  '',
  'short',
  'a "quoted" \\ one',
  'x'.repeat(255),
  'x'.repeat(256),
  'y'.repeat(1000),
  '; no comment',
]) {
  test(`text of ${text.length} letters comes back from quotes as it was`, () => {
    const quoted = quoteText(text);
    assert.is(unquoteText(quoted), text);
    for (const [, piece = ''] of quoted.matchAll(/"((?:[^"\\]|\\.)*)"/g))
      assert.ok(piece.replaceAll('\\', '').length <= 255);
  });
}

test('decimal escapes of name servers are read', () => {
  assert.is(unquoteText('"a\\032b" "c"'), 'a bc');
});

test.run();
