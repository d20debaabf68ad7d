// For `make lint`: ESLint's recommended rules over what the dashboard sends to browsers.
import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    files: ["dashapp/assets/**/*.js"],
    languageOptions: {
      ecmaVersion: 2022,
      sourceType: "script", // no modules: Dash loads each file by itself
      globals: globals.browser,
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
  },
];
