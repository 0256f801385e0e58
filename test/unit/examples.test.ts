/** Every document in examples/ is of its schema, and the examples fit together. That they run is shown in test/real. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { EXAMPLE_IMAGE } from '../../controller/supervise/example-image.ts';
import { BUILDABLE } from '../../controller/supervise/images/catalogue.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const ajv = new Ajv2020({ strict: false, allErrors: true });
(addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
for (const file of readdirSync(path.join(root, 'schemas'))) {
  ajv.addSchema(JSON.parse(readFileSync(path.join(root, 'schemas', file), 'utf8')), file);
}

const files = readdirSync(path.join(root, 'examples')).filter((file) => file.endsWith('.yaml'));

test('there are examples', () => assert.ok(files.length >= 4));

for (const file of files) {
  const text = readFileSync(path.join(root, 'examples', file), 'utf8');
  const documents = parseAllDocuments(text);

  test(`${file} is YAML without mistakes and says in a comment what it shows`, () => {
    assert.match(text, /^# /);
    for (const document of documents) assert.equal([...document.errors, ...document.warnings], []);
  });

  for (const document of documents) {
    const manifest = document.toJS() as {
      kind: string;
      metadata: { name: string };
      spec: Record<string, unknown>;
    };
    test(`${file}: ${manifest.kind} ${manifest.metadata.name} is of its schema`, () => {
      const check = ajv.getSchema(`${manifest.kind.toLowerCase()}.v1.json`);
      assert.ok(check, 'there is such a schema');
      assert.ok(check(manifest), ajv.errorsText(check.errors));
    });

    if (manifest.kind === 'App') {
      test(`${file}: ${manifest.metadata.name} runs on the image that is built here`, () => {
        const packaged = manifest.spec['manifest'] as { dockerImage?: string } | undefined;
        const image = manifest.spec['image'] ?? packaged?.dockerImage;
        assert.ok(
          [EXAMPLE_IMAGE, ...BUILDABLE.map((one) => one.image)].includes(String(image)),
          String(image),
        );
      });
    }
  }
}

test.run();
