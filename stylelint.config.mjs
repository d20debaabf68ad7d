// For `make lint`: stylelint's recommended rules over the dashboard's style sheets, without an exception.
export default {
  extends: ["stylelint-config-recommended"],
  reportNeedlessDisables: true,
};
