// Loaded into npm (node --require): it then leaves source maps and type declarations out when it
// unpacks a package. They are half of the files of a large app, nothing reads them at run time, and
// writing them to remove them afterwards costs more than all the rest.
const Module = require('node:module')

const LEFT_OUT = /\.(map|d\.[cm]?ts)$/
const load = Module._load

Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest)
  if (request !== 'tar') return loaded
  const x = ({ filter = () => true, ...options }, ...more) =>
    loaded.x({ ...options, filter: (path, entry) => !LEFT_OUT.test(path) && filter(path, entry) }, ...more)
  return { ...loaded, x }
}
