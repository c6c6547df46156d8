using System.Text.Json.Nodes;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>JSON Schema of a run file (draft 2020-12), for editors.</summary>
/// <remarks>Keys, types, bounds and words; what depends on the data or on other keys only <c>config check</c> can
/// say.</remarks>
internal static class RunFileSchema
{
    public static JsonObject Create()
    {
        var schema = RunFileKeys.Root.Schema();
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
        schema["title"] = "BackpropCluster run file";
        return schema;
    }
}
