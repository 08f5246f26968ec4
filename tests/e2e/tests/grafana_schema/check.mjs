// Are these dashboards what Grafana's own published types say a dashboard is?
//
//   node check.mjs FOLDER-WITH-node_modules DASHBOARD.json...
//
// Each file becomes a literal of that type, and the TypeScript compiler is asked: a field that is missing, unknown or of another kind is an
// error with its line. Enumerations of strings are read as the strings they stand for, since a JSON file has nothing else.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const [root, ...files] = process.argv.slice(2);
const ts = createRequire(path.join(path.resolve(root), 'x.js'))('typescript');
const schema = path.join(path.resolve(root), 'node_modules/@grafana/schema/dist/esm');

const enumerations = (text) =>
  text.replace(/export (?:declare )?enum (\w+) \{([^}]*)\}/g, (whole, name, body) => {
    const members = [...body.matchAll(/(\w+) = ("[^"]*")/g)];
    if (members.length === 0) return whole;
    const types = members.map(([, member, value]) => `type ${member} = ${value};`).join(' ');
    return `export type ${name} = ${members.map(([, , value]) => value).join(' | ')};\nexport declare namespace ${name} { ${types} }`;
  });

const panel = (folder, name) => `${schema}/raw/composable/${folder}/panelcfg/x/${name}PanelCfg_types.gen`;
const head = `
import type { Dashboard, Panel, RowPanel, FieldConfig, FieldConfigSource } from '${schema}/raw/dashboard/x/dashboard_types.gen';
import type { Options as Stat } from '${panel('stat', 'Stat')}';
import type { Options as Bars } from '${panel('bargauge', 'BarGauge')}';
import type { Options as Table, FieldConfig as TableField } from '${panel('table', 'Table')}';
import type { Options as Lines, FieldConfig as LinesField } from '${panel('timeseries', 'TimeSeries')}';
interface Query {
  refId: string; expr: string; legendFormat: string; instant: boolean; range: boolean; editorMode: 'code';
  format: 'table' | 'time_series'; datasource: { type: 'prometheus'; uid: string };
}
type Config<Custom> = Omit<FieldConfigSource, 'defaults'> & { defaults: Omit<FieldConfig, 'custom'> & Custom };
type One<Type, Options, Custom> = Omit<Panel, 'type' | 'options' | 'targets' | 'fieldConfig'> &
  { type: Type; options: Options; targets: Query[]; fieldConfig: Config<Custom> };
type Any = One<'stat', Stat, {}> | One<'bargauge', Bars, {}> | One<'table', Table, { custom: TableField }> |
  One<'timeseries', Lines, { custom: LinesField }> | RowPanel;
type Board = Omit<Dashboard, 'panels'> & { panels: Any[] };
`;

const sources = new Map(files.map((file) => [
  path.resolve(`${path.basename(file, '.json')}.check.ts`),
  `${head}export const board: Board = ${fs.readFileSync(file, 'utf8')};\n`,
]));
const options = {
  strict: true, noEmit: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
  paths: { '@grafana/schema': [`${schema}/index.d.ts`] },
};
const host = ts.createCompilerHost(options);
const { readFile, fileExists } = host;
host.fileExists = (name) => sources.has(path.resolve(name)) || fileExists.call(host, name);
host.readFile = (name) => {
  const text = sources.get(path.resolve(name)) ?? readFile.call(host, name);
  return text && name.startsWith(schema) ? enumerations(text) : text;
};
host.getSourceFile = (name, version) => {
  const text = host.readFile(name);
  return text === undefined ? undefined : ts.createSourceFile(name, text, version);
};
const wrong = ts.getPreEmitDiagnostics(ts.createProgram([...sources.keys()], options, host));
for (const one of wrong) {
  const at = one.file && one.file.getLineAndCharacterOfPosition(one.start).line + 2 - head.split('\n').length;
  console.log(`${one.file ? path.basename(one.file.fileName) : ''}:${at}: ${ts.flattenDiagnosticMessageText(one.messageText, '\n')}`);
}
process.exit(wrong.length === 0 ? 0 : 1);
