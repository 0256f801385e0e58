/**
 * Deliberate bugs, one small change of the source each: what a tired person might write in the engine, the store or a reconciler. The
 * simulation must notice every one of them; run.ts puts them into a copy of the project, one at a time. A text that is not there any more
 * fails loudly: then the bug has to be written anew for the code that took its place.
 */
export interface Mutation {
  /** What is wrong then, in a few words. */
  name: string;
  file: string;
  /** Must be in the file exactly once. */
  find: string;
  replace: string;
  /** Of the kinds that it concerns: it is looked for in histories of that theme only. */
  theme?: string;
  /** The first histories notice it: tried at each run of the tests, and the others by `npm run sim -- --mutations`. */
  quick?: true;
}

const ENGINE: readonly Mutation[] = [
  {
    name: 'a finalizer is taken off while there is still work',
    file: 'controller/engine/run.ts',
    find: 'if (!failure && this.#pending.length === 0) await this.#removeFinalizers();',
    replace: 'await this.#removeFinalizers();',
    quick: true,
  },
  {
    name: 'a finalizer is never taken off',
    file: 'controller/engine/run.ts',
    find: 'if (!failure && this.#pending.length === 0) await this.#removeFinalizers();',
    replace: '',
    quick: true,
  },
  {
    name: 'what failed is not tried again',
    file: 'controller/engine/engine.ts',
    find: "if (result.outcome === 'retry' || isSoon) queue.retry(key);\n    else if",
    replace: 'if',
    quick: true,
  },
  {
    name: 'a key that was added while it was worked on is forgotten',
    file: 'controller/engine/queue.ts',
    find: 'if (this.#again.delete(key)) this.add(key);',
    replace: 'this.#again.delete(key);',
    quick: true,
  },
  {
    name: 'changes of watched kinds wake nobody',
    file: 'controller/engine/engine.ts',
    find: 'if (loop.reconciler.watches?.includes(document.kind)) {',
    replace: 'if (loop.reconciler.watches?.includes(`no ${document.kind}`)) {',
  },
  {
    name: 'a change of annotations is no change',
    file: 'controller/engine/view.ts',
    find: 'JSON.stringify([uid, generation, deletionTimestamp, labels, annotations])',
    replace: 'JSON.stringify([uid, generation, deletionTimestamp, labels])',
  },
  {
    name: 'nothing is looked at again when nobody tells of it',
    file: 'controller/engine/engine.ts',
    find: 'for (const key of allKeys(loop.reconciler, this.view)) loop.queue.add(key);',
    replace:
      'for (const key of allKeys(loop.reconciler, this.view)) if (kind !== undefined) loop.queue.add(key);',
    quick: true,
  },
  {
    name: 'a step has no deadline',
    file: 'controller/engine/run.ts',
    find: 'const cancelDeadline = clock.after(seconds * 1000, late);',
    replace: 'const cancelDeadline = clock.after(seconds * 1e9, late);',
  },
  {
    name: 'an event has no reasons',
    file: 'controller/engine/step.ts',
    find: 'return { type, target, impact, because: reasons };',
    replace: 'return { type, target, impact, because: reasons.slice(1) };',
    quick: true,
  },
  {
    // Engine and store both know a status that says nothing new: a bug in one of them alone changes nothing.
    name: 'a condition that stays has a new time each time',
    file: 'controller/engine/status.ts',
    find: 'lastTransitionTime: before && before.status === draft.status ? before.lastTransitionTime : now,',
    replace: 'lastTransitionTime: now,',
    quick: true,
  },
  {
    name: 'a failed step counts as done',
    file: 'controller/engine/run.ts',
    find: "if (failure.kind !== 'waiting') this.#recordFailure(failure, step);\n      return failure;",
    replace: "if (failure.kind !== 'waiting') this.#recordFailure(failure, step);\n      return undefined;",
  },
];

const STORE: readonly Mutation[] = [
  {
    name: 'a write is told before it is on disk',
    file: 'controller/store/commit-queue.ts',
    find: 'beforeCommit(transaction);\n      this.statements.commit.run();',
    replace:
      'beforeCommit(transaction);\n      committed(transaction);\n      this.statements.commit.run();\n      return outcomes;',
    quick: true,
  },
  {
    name: 'a released lease stays taken',
    file: 'controller/store/transaction.ts',
    find: 'if (this.around.tables.dropLease(pool, owner)) this.leases.push({ pool, owner, value: undefined });',
    replace: 'if (pool === owner) this.leases.push({ pool, owner, value: undefined });',
    quick: true,
  },
  {
    // That one is given twice is hindered three times over: by who asks, by who gives, and by the table itself.
    name: 'a lease that was given is not known before the next start',
    file: 'controller/store/transaction.ts',
    find: 'this.leases.push({ pool, owner, value });',
    replace: '',
  },
  {
    name: 'a document goes although finalizers hold it',
    file: 'controller/store/verbs.ts',
    find: "if (finalizers.length === 0) return { outcome: 'deleted', next: next ?? present };",
    replace: "return { outcome: 'deleted', next: next ?? present };",
  },
  {
    name: 'a revision is the difference from nothing',
    file: 'controller/store/history.ts',
    find: 'patch: patchBetween(before?.spec ?? {}, after.spec),',
    replace: 'patch: patchBetween({}, after.spec),',
  },
  {
    name: 'a commit is lost now and then',
    file: 'controller/store/commit-queue.ts',
    find: 'this.statements.commit.run();',
    replace: "if (jobs.length > 2) db.exec('ROLLBACK');\n      else this.statements.commit.run();",
  },
];

const RECONCILERS: readonly Mutation[] = [
  {
    name: 'a frozen container stays frozen',
    file: 'reconcilers/app/diff.ts',
    find: "if (current?.state === 'paused') {",
    replace: "if (current?.state === 'dead') {",
  },
  {
    name: 'a new container keeps its passing name',
    file: 'reconcilers/app/diff.ts',
    find: 'if (!ownName) {',
    replace: 'if (!ownName && !current) {',
  },
  {
    name: 'nothing is ever unhealthy',
    file: 'reconcilers/app/health.ts',
    find: "return millisecondsWithoutGood >= settings.unhealthyAfterMilliseconds ? 'unhealthy' : before;",
    replace: 'return before;',
  },
  {
    name: 'a failed version is not taken back',
    file: 'reconcilers/container/work.ts',
    find: "const after = back ? await goBack(back, world) : '';",
    replace: "const after = '';",
  },
  {
    name: 'an App is stopped in word only',
    file: 'reconcilers/app/diff.ts',
    find: "return [...steps, ...stop(want, have), ...removeVolumes(want, have, 'drift')];",
    replace: "return [...steps, ...removeVolumes(want, have, 'drift')];",
  },
  {
    name: 'children of what is gone stay until the next resync',
    file: 'controller/engine/orphans.ts',
    find: 'for (const child of this.#view.allChildrenOf(ownerUid)) await this.#delete(child);',
    replace: '',
  },
  {
    name: 'containers of other Apps count as its own',
    file: 'reconcilers/container/seen.ts',
    find: 'filter(({ labels }) => labels[LABEL.uid] === uid);',
    replace: 'filter(({ labels }) => labels[LABEL.uid] !== undefined && uid !== undefined);',
  },
  {
    name: 'the old container runs on beside the new one',
    file: 'reconcilers/container/work.ts',
    find: 'for (const { id } of up) await stop(id, world, work.stopSeconds);',
    replace: '',
  },
  {
    name: 'the old container is not waited for',
    file: 'reconcilers/container/work.ts',
    find: "  await docker.setRestartPolicy(id, 'no');\n  await docker.stop(id, seconds);",
    replace: "  await docker.setRestartPolicy(id, 'no');\n  void docker.stop(id, seconds);",
  },
  {
    name: 'data is removed without being asked',
    file: 'reconcilers/app/diff.ts',
    find: 'if (want.deleteData && have.dataExists) {',
    replace: 'if (have.dataExists) {',
  },
  {
    name: 'an address is not given back',
    file: 'reconcilers/app/diff.ts',
    find: "if (have.address !== undefined) {\n    const reason = gone('status.address', have.address);",
    replace: "if (have.address === '') {\n    const reason = gone('status.address', have.address);",
  },
  {
    name: 'volumes of a container that is gone stay',
    file: 'reconcilers/app/diff.ts',
    find: "if (names.length === 0) return [];\n  return [\n    step(\n      { type: 'RemoveVolumes', names },",
    replace:
      "if (names.length < 100) return [];\n  return [\n    step(\n      { type: 'RemoveVolumes', names },",
  },
  {
    name: 'status hopes: an App is ready before it has answered',
    file: 'reconcilers/app/status.ts',
    find: "if (health?.state !== 'healthy') {",
    replace: "if (health?.state === 'unhealthy') {",
  },
  {
    name: 'status hopes: a site is ready before nginx has loaded it',
    file: 'reconcilers/site/compare.ts',
    find: 'running && loaded && certified && files.has(path) && !changed.includes(path) && !refusals.has(site.name)',
    replace: 'certified || running || loaded || files.has(path) || changed.includes(path)',
  },
  {
    name: 'a changed variable is no reason for another container',
    file: 'reconcilers/container/description.ts',
    find: 'settings[`env.${name}`] = digest(value, 12);',
    replace: 'settings[`env.${name}`] = digest(name, 12);',
  },
  {
    name: 'a new Secret does not reach the Apps that use it',
    file: 'reconcilers/app/index.ts',
    find: 'entry?.valueFrom?.secretKeyRef?.name === secret',
    replace: 'entry?.valueFrom?.secretKeyRef?.key === secret',
  },
  {
    name: 'a changed site does not reach its App',
    file: 'reconcilers/app/index.ts',
    find: "if (kind === 'Site') return [metadata.name];",
    replace: "if (kind === 'Site') return [];",
  },
  {
    name: 'changed settings of a container go unseen',
    file: 'reconcilers/app/diff.ts',
    find: 'container.drift.some(({ field }) => field !== POLICY) || networkDrift(container, want, have) !== undefined',
    replace: 'networkDrift(container, want, have) !== undefined',
  },
  {
    name: 'files that are too many for nginx stay',
    file: 'reconcilers/site/compare.ts',
    find: 'const paths = new Set([...expected.keys(), ...found.keys()]);',
    replace: 'const paths = new Set([...expected.keys()]);',
  },
  {
    name: 'certificates that no site uses stay',
    file: 'reconcilers/site/diff.ts',
    find: '.filter((name) => !certificates.has(name) && !needed.has(name))',
    replace: '.filter((name) => certificates.has(name) && !needed.has(name))',
  },
  {
    name: 'a container is removed while nginx still passes requests to it, and the site never goes',
    file: 'reconcilers/app/diff.ts',
    find: 'if (want.site && !want.site.metadata.deletionTimestamp) {',
    replace: 'if (want.site?.metadata.deletionTimestamp) {',
  },
  {
    name: 'a restart that was asked for is done again and again',
    file: 'reconcilers/app/status.ts',
    find: '...(restarted ? { restartedAt: asked } : {}),',
    replace: '',
  },
  {
    name: 'a secret value stands in a label',
    file: 'reconcilers/container/description.ts',
    find: 'settings[`env.${name}`] = digest(value, 12);',
    replace: 'settings[`env.${name}`] = value;',
  },
  {
    name: 'a missing folder is not made',
    file: 'reconcilers/app/diff.ts',
    find: 'if (have.missingFolders.length === 0) return [];',
    replace: 'if (have.missingFolders.length < 100) return [];',
  },
];

const DATABASES: readonly Mutation[] = [
  {
    name: 'an account is dropped where it should be locked',
    file: 'reconcilers/binding/diff.ts',
    find: '  if (deleteData) {',
    replace: '  if (deleteData || account.state) {',
  },
  {
    name: 'an Addon that is deleted loses its data',
    file: 'reconcilers/addon/diff.ts',
    find: 'if (want.deleteData && !have.missingFolders.includes(have.folder)) {',
    replace: 'if (!have.missingFolders.includes(have.folder)) {',
  },
  {
    name: 'a password that was changed in the server counts as right',
    file: 'reconcilers/binding/diff.ts',
    find: "const isRight = account?.state === 'bound' && account.credential === credentialDigest(secret.password);",
    replace: "const isRight = account?.state === 'bound' && credentialDigest(secret.password) !== '';",
  },
  {
    name: 'an account that an App has left stays open',
    file: 'reconcilers/binding/diff.ts',
    find: 'if (!server || !isOpen) return [];',
    replace: 'if (!server || isOpen) return [];',
  },
  {
    name: 'people may delete an Addon that is in use',
    file: 'controller/store/rules.ts',
    find: "if (definition.usedBy === undefined || author.via === 'controller') return;",
    replace: "if (definition.usedBy === undefined || author.via !== '') return;",
  },
];

const NAMES: readonly Mutation[] = [
  {
    name: 'a record of somebody else counts as our own',
    file: 'reconcilers/dnsrecord/diff.ts',
    find: 'return set?.mark?.owner === owner;',
    replace: "return set !== undefined && owner !== '';",
  },
  {
    name: 'a record that nobody wants any more stays in the zone',
    file: 'reconcilers/dnsrecord/diff.ts',
    find: 'if (!found || !isOurs(found, want.owner) || found.special !== undefined) return undefined;',
    replace: 'if (!found || isOurs(found, want.owner)) return undefined;',
  },
  {
    name: 'a record is written without a mark',
    file: 'reconcilers/dnsrecord/diff.ts',
    find: 'return { ttl, values, mark: markOf(want, documents, values) };',
    replace: 'return { ttl, values };',
  },
  {
    name: 'a Domain goes while records stand in its zone',
    file: 'reconcilers/domain/observe.ts',
    find: 'if (usedBy.length === 0) return;',
    replace: 'if (usedBy.length >= 0) return;',
  },
];

const CERTIFICATES: readonly Mutation[] = [
  {
    name: 'a certificate is never renewed',
    file: 'reconcilers/certificate/due.ts',
    find: 'if (now < Date.parse(kept.renewAt ?? leaf.notAfter)) return undefined;',
    replace: "if (now < Date.parse('9999-01-01')) return undefined;",
  },
  {
    name: 'another certificate in the folder of nginx stays there',
    file: 'reconcilers/certificate/diff.ts',
    find: 'if (!pair || (installed?.certificate === pair.certificate && installed.key === pair.key)) return [];',
    replace: 'if (!pair || installed) return [];',
  },
  {
    name: 'an order that may have been placed is not looked for',
    file: 'reconcilers/certificate/converge.ts',
    find: 'await acme.placeOrder(account, issuance.hosts, { find });',
    replace: 'await acme.placeOrder(account, issuance.hosts, { find: false });',
  },
  {
    name: 'what was published for the authority stays in the zone',
    file: 'reconcilers/certificate/diff.ts',
    find: "!metadata.deletionTimestamp && !needed.has(String(spec['name'])))",
    replace: "!metadata.deletionTimestamp && needed.has(String(spec['name'])))",
  },
  {
    name: 'the certificate that is served is kept with the next key',
    file: 'reconcilers/certificate/kept.ts',
    find: "const [certificate, key, next] = [data['tls.crt'], data['tls.key'], data['next.key']];",
    replace:
      "const [certificate, key, next] = [data['tls.crt'], data['next.key'] ?? data['tls.key'], data['next.key']];",
  },
  {
    name: 'an event tells the key of what was not signed',
    file: 'reconcilers/certificate/converge.ts',
    find: '`${failure.message}. It is tried again after ${times.retryAt}.`',
    replace: '`${failure.message}. ${issuance.key} is tried again after ${times.retryAt}.`',
  },
];

const SOURCES: readonly Mutation[] = [
  {
    name: 'a folder in the place of another counts as the same',
    file: 'controller/sources/folder.ts',
    find: "if (missing.length > 0 && (device !== now.device || missing.length === known.length)) return 'foreign';",
    replace: '',
  },
  {
    name: 'a folder that is made anew counts as whole',
    file: 'controller/sources/look.ts',
    find: "if (verdict === 'renewed') return 'the folder was made anew and may still be filling';",
    replace: '',
  },
  {
    name: 'what a broken file may name goes',
    file: 'controller/sources/look.ts',
    find: 'const why = held ?? (broken === undefined ? undefined : `${broken} fails and may name it`);',
    replace: 'const why = held;',
  },
  {
    name: 'what no file names any more stays',
    file: 'controller/sources/apply.ts',
    find: "await store.write([{ verb: 'delete', reference: { kind, name }, uid }], author([path]));",
    replace: '',
  },
  {
    name: 'nobody hears that a file has changed',
    file: 'controller/sources/directory.ts',
    find: 'onEvent: () => this.#want(false)',
    replace: 'onEvent: () => undefined',
  },
  {
    name: 'nobody hears that what a file names was deleted',
    file: 'controller/sources/directory.ts',
    find: "if (type === 'DELETED' && this.#inventory.owns(document)) this.#want(false);",
    replace: '',
  },
  {
    name: 'what files gave is forgotten when the controller starts',
    file: 'controller/sources/look.ts',
    find: 'this.#setEntries(new Map((files ?? []).map((entry) => [entry.path, entry])));',
    replace: 'this.#setEntries(new Map((files ?? []).slice(0, 0).map((entry) => [entry.path, entry])));',
  },
  {
    name: 'files are never applied again',
    file: 'controller/sources/directory.ts',
    find: "this.#every('full', this.#times.full, () => this.#want(true));",
    replace: '',
  },
];

const CACHES: readonly Mutation[] = [
  {
    name: 'an event of changed settings is not heard',
    file: 'reconcilers/drivers/docker/cached.ts',
    find: "const SUSPECT = new Set(['update', 'rename', 'connect', 'disconnect', 'oom', 'die']);",
    replace: "const SUSPECT = new Set(['rename', 'connect', 'disconnect', 'oom', 'die']);",
  },
  {
    name: 'nobody is told when the health of an App changes',
    file: 'reconcilers/app/health.ts',
    find: 'if (told || edgeTold) this.#onChange(watched.name);',
    replace: 'if (told && edgeTold && state === before.state) this.#onChange(watched.name);',
  },
  {
    name: 'a container that was made stays unknown',
    file: 'reconcilers/drivers/docker/cached.ts',
    find: 'if (!(caught instanceof DriverError) || UNSURE.has(caught.code)) containers.relist();',
    replace: '',
  },
  {
    name: 'the controller does not follow Docker',
    file: 'controller/core.ts',
    find: "if ((kind === 'App' || kind === 'Addon' || kind === 'Task') && name !== undefined)",
    replace: "if ((kind === 'Addon' || kind === 'Task') && name !== undefined)",
  },
];

const of = (theme: string, mutations: readonly Mutation[]): Mutation[] =>
  mutations.map((mutation) => ({ ...mutation, theme }));

export const MUTATIONS: readonly Mutation[] = [
  ...ENGINE,
  ...STORE,
  ...RECONCILERS,
  ...of('databases', DATABASES),
  ...of('names', NAMES),
  ...of('names', CERTIFICATES),
  ...of('files', SOURCES),
  ...CACHES,
];
