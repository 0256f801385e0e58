/**
 * Reads TypeScript just far enough for the checks of this folder: where comments and texts are, and what is imported. A tokenizer of
 * a page, not a parser; what it does not know (JSX, decorators) the project does not use.
 */

export interface Import {
  specifier: string;
  /** `import type`, `export type … from`: gone at run time. */
  typeOnly: boolean;
  /** As they are called there; empty for a whole module. */
  names: string[];
  line: number;
}

export interface Scanned {
  /** The source with comments, texts and regular expressions blanked out; every offset and line is as it was. */
  code: string;
  imports: Import[];
}

/** A problem of a file, with what to do about it. */
export interface Problem {
  file: string;
  line: number;
  message: string;
  remedy: string;
}

export function scan(source: string): Scanned {
  const code = blank(source);
  return { code, imports: importsOf(source, code) };
}

export function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let index = text.indexOf('\n'); index >= 0 && index < offset; index = text.indexOf('\n', index + 1))
    line++;
  return line;
}

const STATEMENT = /^[ \t]*(import|export)\b([^;'"`=()]*?)(?:\bfrom\s*)?(['"])/gm;
const DYNAMIC = /\bimport\s*\(\s*(['"])/g;

function importsOf(source: string, code: string): Import[] {
  const imports: Import[] = [];
  for (const match of code.matchAll(STATEMENT)) {
    const [whole, keyword, clause = ''] = match;
    if (keyword === 'export' && !/[{*]/.test(clause)) continue;
    const start = match.index + whole.length;
    imports.push({
      specifier: textAt(source, start),
      typeOnly: /^\s*type\b/.test(clause),
      names: namesOf(clause),
      line: lineOf(source, start),
    });
  }
  for (const match of code.matchAll(DYNAMIC)) {
    const start = match.index + match[0].length;
    imports.push({
      specifier: textAt(source, start),
      typeOnly: false,
      names: [],
      line: lineOf(source, start),
    });
  }
  return imports;
}

/** `{ a, b as c }` are a and b. */
function namesOf(clause: string): string[] {
  const list = /\{([^}]*)\}/.exec(clause)?.[1] ?? '';
  return list.split(',').flatMap((part) => /^\s*(?:type\s+)?(\w+)/.exec(part)?.[1] ?? []);
}

function textAt(source: string, start: number): string {
  const quote = source[start - 1] ?? "'";
  return source.slice(start, source.indexOf(quote, start));
}

/** What stands before a slash that begins a regular expression, and not a division. */
const BEFORE_PATTERN =
  /(?:^|[(,=:[!&|?{};+\-*~^<>\n]|\b(?:return|typeof|case|in|of|do|else|yield|await))\s*$/;

function blank(source: string): string {
  const out: string[] = [];
  let index = 0;
  /** Depth of braces at which each open ${ of a template ends. */
  const templates: number[] = [];
  let braces = 0;
  const keep = (count: number) => {
    out.push(source.slice(index, index + count));
    index += count;
  };
  const hide = (end: number) => {
    out.push(source.slice(index, end).replace(/[^\n]/g, ' '));
    index = end;
  };
  while (index < source.length) {
    const two = source.slice(index, index + 2);
    const one = source[index];
    if (two === '//') hide(endOf(source, '\n', index));
    else if (two === '/*') hide(endOf(source, '*/', index + 2) + 2);
    else if (one === "'" || one === '"') {
      keep(1);
      hide(endOfText(source, index, one));
      keep(1);
    } else if (one === '`' || (one === '}' && templates.at(-1) === braces)) {
      if (one === '}') templates.pop();
      keep(1);
      hide(endOfTemplate(source, index));
      if (source[index] === '`') keep(1);
      else {
        keep(2);
        templates.push(braces);
      }
    } else if (one === '/' && BEFORE_PATTERN.test(source.slice(Math.max(0, index - 30), index))) {
      hide(endOfPattern(source, index + 1));
    } else {
      if (one === '{') braces++;
      if (one === '}') braces--;
      keep(1);
    }
  }
  return out.join('');
}

function endOf(source: string, word: string, from: number): number {
  const end = source.indexOf(word, from);
  return end < 0 ? source.length : end;
}

function endOfText(source: string, from: number, quote: string): number {
  let index = from;
  while (index < source.length && source[index] !== quote && source[index] !== '\n')
    index += source[index] === '\\' ? 2 : 1;
  return index;
}

/** At the closing backtick, or at the next ${. */
function endOfTemplate(source: string, from: number): number {
  let index = from;
  while (index < source.length && source[index] !== '`' && source.slice(index, index + 2) !== '${')
    index += source[index] === '\\' ? 2 : 1;
  return index;
}

function endOfPattern(source: string, from: number): number {
  let inClass = false;
  for (let index = from; index < source.length; index++) {
    const one = source[index];
    if (one === '\n') return index;
    if (one === '\\') index++;
    else if (one === '[') inClass = true;
    else if (one === ']') inClass = false;
    else if (one === '/' && !inClass) return index + 1;
  }
  return source.length;
}
