// A module that is imported is a compiled one where platform_workerd.ts is used.
declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}
