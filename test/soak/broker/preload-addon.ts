/**
 * Loaded before a broker of a soak, in its process and its workers: the addon that it loads is the one with faults
 * built in, whose path is in RALLYMQ_TEST_ADDON. So the product knows of one addon only.
 */
import { basename } from 'node:path';

const { RALLYMQ_TEST_ADDON: addon } = process.env;
const { dlopen } = process;

if (addon !== undefined) {
  process.dlopen = (module: object, path: string, ...rest: number[]) => {
    const isOurs = basename(path) === basename(addon);
    return Reflect.apply(dlopen, process, [module, isOurs ? addon : path, ...rest]);
  };
}
