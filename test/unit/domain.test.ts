/** What the name of a domain means. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dnsRecord } from '../../resources/dnsrecord.ts';
import type { Document } from '../../resources/document.ts';
import { type DomainView, domainFacts, domainOfHost, isWithin } from '../../resources/domain.ts';
import { validate } from '../../resources/validation.ts';
import { makeDocument } from '../support/app.ts';

function view(...documents: Document[]): DomainView {
  return {
    get: (kind, name) => documents.find((each) => each.kind === kind && each.metadata.name === name),
    list: (kind) => documents.filter((each) => each.kind === kind),
  };
}

function domain(
  name: string,
  spec: Record<string, unknown> = {},
  status?: Record<string, unknown>,
): Document {
  const document = makeDocument('Domain', name, { provider: 'manual', ...spec });
  return status ? { ...document, status } : document;
}

test('localhost is there without a document', () => {
  assert.equal(domainFacts(view(), 'localhost')?.addresses, ['127.0.0.1', '::1']);
  assert.is(domainOfHost(view(), 'wiki.localhost')?.provider, 'builtin');
});

test('a domain that nobody declared is not known', () => {
  assert.is(domainFacts(view(), 'example.com'), undefined);
});

test('a domain is waited for until it was verified once, with the reason', () => {
  const conditions = [{ type: 'Ready', status: 'False', reason: 'AccessDenied', message: 'no' }];
  const facts = domainFacts(view(domain('example.com', {}, { conditions })), 'example.com');
  assert.equal(facts?.waitsFor, {
    reason: 'DomainNotReady',
    message: 'waits until domain/example.com is verified: no',
  });
});

test('a domain that was verified stays usable when its provider fails later', () => {
  const conditions = [{ type: 'Ready', status: 'False', reason: 'AccessDenied', message: 'no' }];
  const status = { zone: 'example.com', addresses: { ipv4: '192.0.2.1' }, conditions };
  const facts = domainFacts(view(domain('example.com', {}, status)), 'example.com');
  assert.is(facts?.waitsFor, undefined);
  assert.equal(facts?.addresses, ['192.0.2.1']);
});

test('the zone is the one that was verified, whatever the document says later', () => {
  const changed = domain('apps.example.com', { zone: 'apps.example.com' }, { zone: 'example.com' });
  assert.is(domainFacts(view(changed), 'apps.example.com')?.zone, 'example.com');
});

test('a host belongs to the most specific domain', () => {
  const both = view(domain('example.com'), domain('apps.example.com'));
  assert.is(domainOfHost(both, 'wiki.apps.example.com')?.name, 'apps.example.com');
  assert.is(domainOfHost(both, 'apps.example.com')?.name, 'apps.example.com');
  assert.is(domainOfHost(both, 'other.example.com')?.name, 'example.com');
  assert.is(domainOfHost(both, 'notexample.com'), undefined);
});

test('certificates come from acme, unless the domain is nobody’s', () => {
  const facts = (spec: Record<string, unknown>) =>
    domainFacts(view(domain('example.com', spec)), 'example.com');
  assert.is(facts({})?.certificate, 'acme');
  assert.is(facts({ provider: 'noop' })?.certificate, 'internal');
  assert.is(facts({ tls: { issuer: 'internal' } })?.certificate, 'internal');
});

test('a name is within a domain by whole parts', () => {
  assert.ok(isWithin('a.example.com', 'example.com'));
  assert.ok(isWithin('example.com', 'example.com'));
  assert.not(isWithin('aexample.com', 'example.com'));
});

for (const name of [
  'wiki.example.com',
  '*.example.com',
  '_acme-challenge.example.com',
  `${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.ex`,
]) {
  test(`the record of ${name.slice(0, 40)} is a valid document with a name of its own`, () => {
    const owner = makeDocument('App', 'wiki', {}, { uid: 'one' });
    const record = (type: 'A' | 'TXT', uid = 'one') =>
      dnsRecord(
        { ...owner, metadata: { ...owner.metadata, uid } },
        { domain: 'example.com', name, type, values: ['192.0.2.1'] },
      );
    assert.equal(validate(record('A')), []);
    assert.equal(record('A'), record('A'));
    const names = [record('A'), record('TXT'), record('A', 'two')].map(({ metadata }) => metadata.name);
    assert.is(new Set(names).size, 3);
  });
}

test.run();
